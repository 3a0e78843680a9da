//! What Linux programs tell in their syslog messages, as far as log-ons, programs started and packets refused.

use crate::columns::Columns;
use crate::format::syslog::Syslog;
use crate::{FieldsFull, Kind, Outcome, Sheet};

/// Reads the message of a Linux program; the fields of the syslog header are there already.
pub(crate) fn read(syslog: &Syslog<'_>, sheet: &mut Sheet, columns: &mut Columns) -> Result<(), FieldsFull> {
    let (program, is_pam) = program(syslog.app);
    let message = syslog.message;
    let mut category = None;
    if let Some((module, told)) = message.strip_prefix("pam_").and_then(|m| m.split_once("): ")) {
        pam(
            module.split_once('(').map_or("", |(_, service)| service),
            told,
            sheet,
            columns,
        )?;
    } else if is_pam {
        pam(program, message, sheet, columns)?;
    } else {
        category = match program {
            "sshd" => sshd(message, sheet, columns)?,
            "sudo" => sudo(message, sheet, columns)?,
            "su" => su(message, sheet, columns)?,
            "cron" => cron(message, sheet, columns)?,
            "useradd" | "userdel" | "usermod" | "groupadd" | "passwd" | "chpasswd" => accounts(message, sheet, columns)?,
            "kernel" => packet(message, sheet, columns)?,
            _ => None,
        };
    }
    let auth = matches!(syslog.facility(), Some("auth" | "authpriv"));
    let also: &[&str] = match program {
        "sshd" | "sudo" | "su" | "login" | "systemd-logind" | "polkitd" | "useradd" | "userdel" | "usermod" | "groupadd"
        | "passwd" | "chpasswd" => &["auth", "syslog"],
        _ if auth || is_pam => &["auth", "syslog"],
        _ => &["syslog"],
    };
    sheet.source = match category {
        Some(category) => sheet.sources.intern_also("linux", service(program), also, &[category]),
        None => sheet.sources.intern_also("linux", service(program), also, &[]),
    };
    Ok(())
}

/// Returns the program's plain name, and whether PAM speaks for it in the old manner: `sshd(pam_unix)`.
fn program(app: &str) -> (&str, bool) {
    let name = app.rsplit('/').next().unwrap_or(app);
    let (name, is_pam) = match name.split_once("(pam_") {
        Some((name, _)) => (name, true),
        None => (name, false),
    };
    let plain = match name {
        "sshd-session" | "sshd-auth" => "sshd",
        "su-l" => "su",
        "CRON" | "crond" | "crontab" | "anacron" | "/USR/SBIN/CRON" => "cron",
        other => other,
    };
    (plain, is_pam)
}

/// Returns Sigma's service of the program; of one without a service of its own, its name.
fn service(program: &str) -> &str {
    match program {
        "clamd" | "freshclam" | "clamav-milter" => "clamav",
        "guacd" => "guacamole",
        "" => "syslog",
        other => other,
    }
}

type Category = Result<Option<&'static str>, FieldsFull>;

fn logon(sheet: &mut Sheet, columns: &mut Columns, outcome: Outcome, user: &str, origin: &str) -> Result<(), FieldsFull> {
    columns.kind = Kind::Logon;
    columns.outcome = outcome;
    columns.account = sheet.put("user", user)?;
    columns.origin = sheet.put("src_ip", origin)?;
    Ok(())
}

/// OpenSSH, `auth.c` and `packet.c`. The address is taken from the last ` from `: a user's name is what the peer likes it to be.
fn sshd(message: &str, sheet: &mut Sheet, columns: &mut Columns) -> Category {
    let message = message.strip_prefix("error: ").unwrap_or(message);
    let found = [
        ("Accepted ", " for ", Outcome::Success, "accepted"),
        ("Failed ", " for ", Outcome::Failure, "failed"),
        ("Postponed ", " for ", Outcome::Unknown, "postponed"),
        (
            "maximum authentication attempts exceeded",
            " for ",
            Outcome::Failure,
            "attempts-exceeded",
        ),
    ];
    let attempt = found.iter().find_map(|(start, for_, outcome, action)| {
        let (method, rest) = message.strip_prefix(start)?.split_once(for_)?;
        let (user, peer) = rest.rsplit_once(" from ")?;
        Some((
            *outcome,
            *action,
            method,
            user.strip_prefix("invalid user ").unwrap_or(user),
            peer,
        ))
    });
    if let Some((outcome, action, method, user, peer)) = attempt {
        let mut words = peer.split(' ');
        logon(sheet, columns, outcome, user, words.next().unwrap_or(""))?;
        columns.origin_port = words.nth(1).and_then(|port| port.parse().ok()).unwrap_or(0);
        columns.action = action;
        sheet.put("auth_method", method)?;
        if outcome == Outcome::Unknown {
            columns.kind = Kind::Other;
        }
        return Ok(None);
    }
    let gone = ["Connection closed by ", "Connection reset by ", "Disconnected from "];
    let rest = gone.iter().find_map(|start| message.strip_prefix(start));
    let tried = rest.and_then(|r| {
        r.strip_prefix("authenticating user ")
            .or_else(|| r.strip_prefix("invalid user "))
    });
    if let Some((user_and_address, port)) = tried.and_then(|t| t.rsplit_once(" port "))
        && let Some((user, address)) = user_and_address.rsplit_once(' ')
    {
        // With keys alone this is the only word about a log-on that failed.
        logon(sheet, columns, Outcome::Failure, user, address)?;
        columns.origin_port = port.split(' ').next().and_then(|p| p.parse().ok()).unwrap_or(0);
        columns.action = "gave-up";
    } else if let Some((user, peer)) = message.strip_prefix("Invalid user ").and_then(|m| m.rsplit_once(" from ")) {
        columns.account = sheet.put("user", user)?;
        columns.origin = sheet.put("src_ip", peer.split(' ').next().unwrap_or(""))?;
        columns.action = "invalid-user";
    }
    Ok(None)
}

/// PAM's own words about `service`, e.g. `sshd:auth`.
fn pam(service: &str, told: &str, sheet: &mut Sheet, columns: &mut Columns) -> Result<(), FieldsFull> {
    let (program, _) = program(service.split(':').next().unwrap_or(""));
    if let Some(details) = told.strip_prefix("authentication failure;") {
        let value = |name: &str| {
            details
                .split(' ')
                .find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
                .unwrap_or("")
        };
        if program == "sshd" && service.contains(':') {
            // sshd tells of the same attempt in a line of its own.
            columns.account = sheet.put("user", value("user"))?;
            columns.origin = sheet.put("src_ip", value("rhost"))?;
        } else {
            logon(sheet, columns, Outcome::Failure, value("user"), value("rhost"))?;
        }
        columns.action = "authentication-failure";
    } else if let Some(rest) = told.strip_prefix("session opened for user ") {
        let user = rest.split([' ', '(']).next().unwrap_or("");
        // For others a line of their own says more, or nobody has logged on.
        if matches!(
            program,
            "su" | "login" | "gdm-password" | "lightdm" | "sddm" | "xrdp-sesman" | "vsftpd" | "dovecot"
        ) {
            logon(sheet, columns, Outcome::Success, user, "")?;
        } else {
            columns.account = sheet.put("user", user)?;
        }
        columns.action = "session-opened";
    } else if let Some(user) = told.strip_prefix("session closed for user ") {
        columns.account = sheet.put("user", user.split([' ', '(']).next().unwrap_or(""))?;
        columns.action = "session-closed";
    }
    Ok(())
}

/// sudo, `logging.c`: `alice : [reason ;] TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/ls -l`.
fn sudo(message: &str, sheet: &mut Sheet, columns: &mut Columns) -> Category {
    let Some((actor, rest)) = message.trim_start().split_once(" : ") else {
        return Ok(None);
    };
    let (mut fields, mut command) = (rest, "");
    if let Some((before, behind)) = rest.split_once("COMMAND=") {
        (fields, command) = (before, behind);
    }
    columns.account = sheet.put("user", actor)?;
    columns.outcome = if command.is_empty() {
        Outcome::Unknown
    } else {
        Outcome::Success
    };
    for part in fields.split(" ; ").map(str::trim).filter(|part| !part.is_empty()) {
        match part.split_once('=') {
            Some(("USER", user)) => {
                let user = sheet.put("USER", user)?;
                sheet.put_alias("User", user)?;
            }
            Some(("PWD", folder)) => {
                let folder = sheet.put("PWD", folder)?;
                sheet.put_alias("CurrentDirectory", folder)?;
            }
            Some((name, value)) => {
                sheet.put(name, value)?;
            }
            None => {
                columns.outcome = Outcome::Failure;
                sheet.put("reason", part)?;
            }
        }
    }
    if command.is_empty() {
        return Ok(None);
    }
    sheet.put("COMMAND", command)?;
    columns.kind = Kind::Process;
    columns.action = "sudo";
    columns.object = sheet.put("CommandLine", command)?;
    sheet.put("Image", command.split(' ').next().unwrap_or(""))?;
    sheet.put("ParentImage", "/usr/bin/sudo")?;
    Ok((columns.outcome == Outcome::Success).then_some("process_creation"))
}

/// su of shadow (`Successful su for root by alice`) and of util-linux (`(to root) alice on pts/0`).
fn su(message: &str, sheet: &mut Sheet, columns: &mut Columns) -> Category {
    let failed = message.starts_with("FAILED");
    let plain = message.strip_prefix("FAILED SU ").unwrap_or(message);
    let by = plain.split_once("su for ").and_then(|(_, rest)| rest.split_once(" by "));
    let to = || plain.strip_prefix("(to ").and_then(|rest| rest.split_once(") "));
    if let Some((user, actor)) = by.or_else(to) {
        logon(
            sheet,
            columns,
            if failed { Outcome::Failure } else { Outcome::Success },
            user,
            "",
        )?;
        sheet.put("actor", actor.split(" on ").next().unwrap_or(""))?;
        columns.action = "su";
    }
    Ok(None)
}

/// cron: `(root) CMD (run-parts /etc/cron.daily)`.
fn cron(message: &str, sheet: &mut Sheet, columns: &mut Columns) -> Category {
    let Some((user, rest)) = message.strip_prefix('(').and_then(|m| m.split_once(") ")) else {
        return Ok(None);
    };
    columns.account = sheet.put("user", user)?;
    let Some(command) = rest.strip_prefix("CMD (") else {
        columns.action_field = sheet.put("action", rest.split(' ').next().unwrap_or(""))?;
        return Ok(None);
    };
    let command = command.strip_suffix(')').unwrap_or(command).trim();
    columns.kind = Kind::Process;
    columns.action = "cron";
    columns.object = sheet.put("CommandLine", command)?;
    sheet.put("User", user)?;
    sheet.put("ParentImage", "/usr/sbin/cron")?;
    Ok(Some("process_creation"))
}

/// shadow: `new user: name=eve, UID=1001, …`, `add 'eve' to group 'sudo'`, `password changed for eve`.
fn accounts(message: &str, sheet: &mut Sheet, columns: &mut Columns) -> Category {
    let (user, action) = if let Some(rest) = message.strip_prefix("new user: name=") {
        (rest.split(',').next().unwrap_or(""), "add-user")
    } else if let Some(rest) = message.strip_prefix("delete user '") {
        (rest.split('\'').next().unwrap_or(""), "delete-user")
    } else if let Some((user, group)) = message.strip_prefix("add '").and_then(|m| m.split_once("' to group '")) {
        sheet.put("group", group.split('\'').next().unwrap_or(""))?;
        (user, "add-to-group")
    } else if let Some((_, user)) = message.split_once("password changed for ") {
        (user, "change-password")
    } else {
        return Ok(None);
    };
    columns.account = sheet.put("user", user)?;
    columns.action = action;
    Ok(None)
}

/// netfilter's LOG target, as UFW and others use it: `[UFW BLOCK] IN=eth0 OUT= SRC=… DST=… PROTO=TCP SPT=… DPT=…`.
fn packet(message: &str, sheet: &mut Sheet, columns: &mut Columns) -> Category {
    let Some(start) = message
        .find("IN=")
        .filter(|_| message.contains(" SRC=") && message.contains(" DST="))
    else {
        return Ok(None);
    };
    let (prefix, pairs) = message.split_at(start);
    for (name, value) in pairs.split(' ').filter_map(|word| word.split_once('=')) {
        match name {
            "SRC" => columns.origin = sheet.put("src_ip", value)?,
            "DST" => columns.destination = sheet.put("dst_ip", value)?,
            "PROTO" => columns.object = sheet.put("protocol", value)?,
            "SPT" => {
                columns.origin_port = value.parse().unwrap_or(0);
                sheet.put("src_port", value)?;
            }
            "DPT" => {
                columns.port = value.parse().unwrap_or(0);
                sheet.put("dst_port", value)?;
            }
            "IN" | "OUT" => {
                sheet.put(if name == "IN" { "in_interface" } else { "out_interface" }, value)?;
            }
            _ => {}
        }
    }
    let upper = prefix.to_ascii_uppercase();
    let refused = ["BLOCK", "DROP", "DENY", "REJECT"].iter().any(|word| upper.contains(word));
    columns.kind = Kind::Flow;
    columns.action = if refused { "blocked" } else { "logged" };
    columns.outcome = if refused { Outcome::Failure } else { Outcome::Unknown };
    sheet.put("action", columns.action)?;
    Ok(Some("firewall"))
}
