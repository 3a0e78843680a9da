use std::fs;
use std::io;
use std::path::Path;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;
use nix::unistd::{Gid, Uid, getegid, geteuid};

/// A sandbox that the kernel does not allow.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// User namespaces are forbidden.
    #[error("this machine does not let this user make user and network namespaces ({0})")]
    Forbidden(Errno),
    /// Another kernel answer.
    #[error("{what} failed")]
    Kernel {
        /// What was tried.
        what: &'static str,
        /// The answer.
        #[source]
        source: io::Error,
    },
}

impl SandboxError {
    /// Returns what an administrator can do about it: settings that are in the way on this machine, read from it.
    pub fn remedies(&self) -> Vec<String> {
        let settings = [
            (
                "/proc/sys/kernel/unprivileged_userns_clone",
                "0",
                "kernel.unprivileged_userns_clone=1",
            ),
            (
                "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
                "1",
                "kernel.apparmor_restrict_unprivileged_userns=0",
            ),
            ("/proc/sys/user/max_user_namespaces", "0", "user.max_user_namespaces=15000"),
            ("/proc/sys/user/max_net_namespaces", "0", "user.max_net_namespaces=15000"),
        ];
        let in_the_way = settings
            .iter()
            .filter(|(file, bad, _)| fs::read_to_string(file).is_ok_and(|v| v.trim() == *bad));
        let mut remedies: Vec<String> = in_the_way.map(|(_, _, set)| format!("sudo sysctl {set}")).collect();
        if remedies.is_empty() {
            remedies.push("sudo sysctl user.max_user_namespaces=15000 kernel.unprivileged_userns_clone=1".into());
        }
        remedies
    }
}

/// Enters new user, process, mount and network namespaces. The next child is process 1 in there: when it ends, the kernel
/// ends everything else and takes namespaces, cables and mounts away.
///
/// The calling process must have a single thread. Without the right to make user namespaces, root goes on without one.
pub fn enter() -> Result<(), SandboxError> {
    let (uid, gid) = (geteuid(), getegid());
    let inner = CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS;
    match unshare(CloneFlags::CLONE_NEWUSER | inner) {
        Ok(()) => map_to_root(uid, gid)?,
        Err(errno) if uid.is_root() => unshare(inner).map_err(|_| SandboxError::Forbidden(errno))?,
        Err(errno) => return Err(SandboxError::Forbidden(errno)),
    }
    mount(
        None::<&str>,
        "/",
        None::<&str>,
        MsFlags::MS_REC | MsFlags::MS_PRIVATE,
        None::<&str>,
    )
    .map_err(kernel("making mounts private"))
}

/// Enters a network and a mount namespace of its own, as root if need be with a user namespace around them. The calling process
/// must have a single thread.
pub fn enter_network() -> Result<(), SandboxError> {
    let (uid, gid) = (geteuid(), getegid());
    let inner = CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS;
    if uid.is_root() && unshare(inner).is_ok() {
        return Ok(());
    }
    unshare(CloneFlags::CLONE_NEWUSER | inner).map_err(SandboxError::Forbidden)?;
    map_to_root(uid, gid)
}

/// Raises the number of files that this process and its children may open to what the machine allows: a director holds three for
/// each node.
pub fn allow_many_files() -> Result<(), SandboxError> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).map_err(kernel("reading the limit of open files"))?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most).map_err(kernel("raising the limit of open files"))
}

/// Maps the caller to root of the new user namespace.
fn map_to_root(uid: Uid, gid: Gid) -> Result<(), SandboxError> {
    let write = |file: &str, text: String| {
        fs::write(file, text).map_err(|source| SandboxError::Kernel {
            what: "mapping the user",
            source,
        })
    };
    write("/proc/self/setgroups", "deny".into())?;
    write("/proc/self/uid_map", format!("0 {uid} 1"))?;
    write("/proc/self/gid_map", format!("0 {gid} 1"))
}

/// Enters a network namespace of its own; with `hidden`, a mount namespace too in which these folders are empty.
pub fn enter_node(hidden: &[&Path]) -> Result<(), SandboxError> {
    unshare(CloneFlags::CLONE_NEWNET).map_err(kernel("making a network namespace"))?;
    if hidden.is_empty() {
        return Ok(());
    }
    unshare(CloneFlags::CLONE_NEWNS).map_err(kernel("making a mount namespace"))?;
    for folder in hidden {
        let covered = mount(Some("none"), *folder, Some("tmpfs"), MsFlags::MS_RDONLY, None::<&str>);
        covered.map_err(kernel("hiding the hosts' folders from the control room"))?;
    }
    Ok(())
}

/// Makes the kernel end this process when its parent dies.
pub fn die_with_parent() -> Result<(), SandboxError> {
    set_pdeathsig(Signal::SIGKILL).map_err(kernel("tying the process to its parent"))
}

fn kernel(what: &'static str) -> impl Fn(Errno) -> SandboxError {
    move |errno| SandboxError::Kernel {
        what,
        source: errno.into(),
    }
}
