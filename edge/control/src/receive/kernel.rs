//! What the kernel says it dropped of a UDP socket.

use std::os::fd::{AsRawFd, BorrowedFd};

/// Returns the datagrams dropped since the socket was opened, of `/proc/net/udp` and `udp6` (`proc(5)`); `None` where there is
/// no such file.
pub(crate) fn dropped(socket: BorrowedFd<'_>) -> Option<u64> {
    let link = std::fs::read_link(format!("/proc/self/fd/{}", socket.as_raw_fd())).ok()?;
    let inode = link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned();
    ["/proc/self/net/udp", "/proc/self/net/udp6"].iter().find_map(|table| {
        let table = std::fs::read_to_string(table).ok()?;
        drops_of(&table, &inode)
    })
}

/// Finds the row of the inode, its tenth column; drops are the last one.
fn drops_of(table: &str, inode: &str) -> Option<u64> {
    let row = table
        .lines()
        .skip(1)
        .find(|row| row.split_ascii_whitespace().nth(9) == Some(inode))?;
    row.split_ascii_whitespace().nth(12)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_are_the_last_column_of_the_sockets_row() {
        let table = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n\
                     1: 0100007F:0202 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 111 2 0000000000000000 5\n\
                     2: 0100007F:0203 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 222 2 0000000000000000 77\n";
        assert_eq!((drops_of(table, "222"), drops_of(table, "333")), (Some(77), None));
    }
}
