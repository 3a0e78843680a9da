//! One binary: the console over a real socket.

#[cfg(test)]
mod over_http;
