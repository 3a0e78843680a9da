use std::net::IpAddr;

/// The way over which orders come. It is opened before every cut, and an order that would cut it is refused.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Management {
    /// Interfaces that serve nothing else.
    pub interfaces: Vec<String>,
    /// Addresses of control rooms that may reach the port below over any interface, cut or not.
    pub rooms: Vec<IpAddr>,
    /// Port that orders come to.
    pub port: u16,
}
