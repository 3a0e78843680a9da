//! Windows' channels and event ids in Sigma's words: the taxonomy of the Sigma specification and the log sources that
//! the rules of SigmaHQ name.

use crate::SourceId;

/// Channels in lower case, with Sigma's service.
static SERVICES: &[(&str, &str)] = &[
    ("security", "security"),
    ("system", "system"),
    ("application", "application"),
    ("microsoft-windows-sysmon/operational", "sysmon"),
    ("microsoft-windows-powershell/operational", "powershell"),
    ("powershellcore/operational", "powershell"),
    ("windows powershell", "powershell-classic"),
    ("microsoft-windows-wmi-activity/operational", "wmi"),
    ("microsoft-windows-taskscheduler/operational", "taskscheduler"),
    ("microsoft-windows-windows defender/operational", "windefend"),
    ("microsoft-windows-ntlm/operational", "ntlm"),
    ("microsoft-windows-bits-client/operational", "bits-client"),
    (
        "microsoft-windows-windows firewall with advanced security/firewall",
        "firewall-as",
    ),
    ("microsoft-windows-codeintegrity/operational", "codeintegrity-operational"),
    ("microsoft-windows-applocker/msi and script", "applocker"),
    ("microsoft-windows-applocker/exe and dll", "applocker"),
    ("microsoft-windows-applocker/packaged app-deployment", "applocker"),
    ("microsoft-windows-applocker/packaged app-execution", "applocker"),
    ("microsoft-windows-appxdeploymentserver/operational", "appxdeployment-server"),
    ("microsoft-windows-appxdeployment-server/operational", "appxdeployment-server"),
    ("microsoft-windows-appxpackaging/operational", "appxpackaging-om"),
    ("microsoft-windows-appxpackagingom/operational", "appxpackaging-om"),
    ("microsoft-windows-appmodel-runtime/admin", "appmodel-runtime"),
    ("dns server", "dns-server"),
    ("microsoft-windows-dns-server/analytical", "dns-server-analytic"),
    ("microsoft-windows-dnsserver/analytical", "dns-server-analytic"),
    ("microsoft-windows-dns-server/audit", "dns-server-audit"),
    ("microsoft-windows-dnsserver/audit", "dns-server-audit"),
    ("microsoft-windows-dns-client/operational", "dns-client"),
    ("microsoft-windows-dns client events/operational", "dns-client"),
    ("microsoft-windows-dhcp-server/operational", "dhcp"),
    ("microsoft-windows-driverframeworks-usermode/operational", "driver-framework"),
    ("microsoft-windows-printservice/admin", "printservice-admin"),
    ("microsoft-windows-printservice/operational", "printservice-operational"),
    ("microsoft-windows-security-mitigations/kernel mode", "security-mitigations"),
    ("microsoft-windows-security-mitigations/kernelmode", "security-mitigations"),
    ("microsoft-windows-security-mitigations/user mode", "security-mitigations"),
    ("microsoft-windows-security-mitigations/usermode", "security-mitigations"),
    ("microsoft-windows-smbclient/security", "smbclient-security"),
    ("microsoft-windows-smbclient/connectivity", "smbclient-connectivity"),
    ("microsoft-windows-smbserver/connectivity", "smbserver-connectivity"),
    (
        "microsoft-windows-terminalservices-localsessionmanager/operational",
        "terminalservices-localsessionmanager",
    ),
    ("microsoft-windows-shell-core/operational", "shell-core"),
    ("microsoft-windows-ldap-client/debug", "ldap"),
    ("microsoft-windows-lsa/operational", "lsa-server"),
    ("microsoft-windows-diagnosis-scripted/operational", "diagnosis-scripted"),
    ("microsoft-windows-capi2/operational", "capi2"),
    (
        "microsoft-windows-certificateservicesclient-lifecycle-system/operational",
        "certificateservicesclient-lifecycle-system",
    ),
    ("microsoft-windows-bitlocker/bitlocker management", "bitlocker"),
    ("microsoft-windows-vhdmp/operational", "vhdmp"),
    ("microsoft-windows-vhdmp-operational", "vhdmp"),
    ("microsoft-windows-kernel-shimengine/operational", "kernel-shimengine"),
    ("microsoft-windows-kernel-shimengine/diagnostic", "kernel-shimengine"),
    (
        "microsoft-windows-application-experience/program-telemetry",
        "application-experience",
    ),
    (
        "microsoft-windows-application-experience/program-compatibility-assistant",
        "application-experience",
    ),
    ("microsoft-windows-ntfs/operational", "ntfs"),
    ("microsoft-windows-hyper-v-worker", "hyper-v-worker"),
    ("microsoft-windows-hyper-v-worker-admin", "hyper-v-worker"),
    ("microsoft-windows-kernel-eventtracing", "kernel-event-tracing"),
    ("microsoft-windows-kernel-eventtracing/admin", "kernel-event-tracing"),
    ("microsoft-windows-sense/operational", "sense"),
    ("microsoft-servicebus-client/admin", "microsoft-servicebus-client"),
    ("microsoft-servicebus-client/operational", "microsoft-servicebus-client"),
    ("microsoft-iis-configuration/operational", "iis-configuration"),
    ("msexchange management", "msexchange-management"),
    ("openssh/operational", "openssh"),
];

/// Providers that write to one channel, for records that name no channel.
static PROVIDERS: &[(&str, &str)] = &[
    ("microsoft-windows-sysmon", "sysmon"),
    ("microsoft-windows-security-auditing", "security"),
    ("microsoft-windows-powershell", "powershell"),
    ("powershell", "powershell-classic"),
    ("microsoft-windows-windows defender", "windefend"),
    ("microsoft-windows-taskscheduler", "taskscheduler"),
    ("microsoft-windows-wmi-activity", "wmi"),
    ("service control manager", "system"),
];

/// The log source of each channel and event id seen, so that a record costs one comparison.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    by_place: Vec<Option<SeenSource>>,
}

#[derive(Debug)]
struct SeenSource {
    channel: Box<str>,
    id: u32,
    registry: Option<RegistryAction>,
    source: SourceId,
}

/// Places of [`Seen`]; two event ids of one place take turns.
const SEEN_SOURCES: usize = 1 << 10;

impl Seen {
    /// Returns the log source of an event of a channel, which `classify` finds where it was not seen before.
    pub fn source(
        &mut self,
        (channel, id, registry): (&str, u32, Option<RegistryAction>),
        classify: impl FnOnce() -> SourceId,
    ) -> SourceId {
        if self.by_place.is_empty() {
            self.by_place.resize_with(SEEN_SOURCES, || None);
        }
        let place = (id as usize).wrapping_add(channel.len() << 5) % SEEN_SOURCES;
        let Some(slot) = self.by_place.get_mut(place) else {
            return classify();
        };
        match slot {
            Some(seen) if seen.id == id && *seen.channel == *channel && seen.registry == registry => seen.source,
            _ => {
                let source = classify();
                let channel = channel.into();
                *slot = Some(SeenSource {
                    channel,
                    id,
                    registry,
                    source,
                });
                source
            }
        }
    }
}

/// Returns Sigma's service for the channel or, without one, for the provider; the channel itself where Sigma has no word.
pub(crate) fn service<'a>(channel: &'a str, provider: &str) -> &'a str {
    let (table, word) = match channel.is_empty() {
        true => (PROVIDERS, provider),
        false => (SERVICES, channel),
    };
    let known = table.iter().find(|(name, _)| word.eq_ignore_ascii_case(name));
    known.map_or(channel, |(_, service)| service)
}

/// Returns Sigma's categories of an event; `registry` is what was done to a registry object.
///
/// Security's 4657 and 5156 are not taken for `registry_set` and `network_connection`: their paths are the kernel's, so
/// that rules' filters would not hold.
pub(crate) fn categories(service: &str, id: u32, registry: Option<RegistryAction>) -> &'static [&'static str] {
    match service {
        "sysmon" => sysmon(id, registry),
        "security" if id == 4688 => &["process_creation"],
        "powershell" => match id {
            4103 => &["ps_module"],
            4104 => &["ps_script"],
            _ => &[],
        },
        "powershell-classic" => match id {
            400 => &["ps_classic_start"],
            600 => &["ps_classic_provider_start"],
            800 => &["ps_classic_script"],
            _ => &[],
        },
        "windefend" if matches!(id, 1006..=1012 | 1017..=1019 | 1115 | 1116) => &["antivirus"],
        _ => &[],
    }
}

fn sysmon(id: u32, registry: Option<RegistryAction>) -> &'static [&'static str] {
    match id {
        1 => &["process_creation"],
        2 => &["file_change"],
        3 => &["network_connection"],
        4 | 16 => &["sysmon_status"],
        5 => &["process_termination"],
        6 => &["driver_load"],
        7 => &["image_load"],
        8 => &["create_remote_thread"],
        9 => &["raw_access_thread"],
        10 => &["process_access"],
        11 => &["file_event"],
        12 => match registry {
            Some(RegistryAction::Create) => &["registry_add", "registry_event"],
            Some(RegistryAction::Delete) => &["registry_delete", "registry_event"],
            None => &["registry_add", "registry_delete", "registry_event"],
        },
        13 => &["registry_set", "registry_event"],
        14 => &["registry_rename", "registry_event"],
        15 => &["create_stream_hash"],
        17 | 18 => &["pipe_created"],
        19..=21 => &["wmi_event"],
        22 => &["dns_query"],
        23 => &["file_delete"],
        24 => &["clipboard_capture", "clipboard_change"],
        25 => &["process_tampering"],
        // With 23 Sysmon kept a copy, with 26 it did not.
        26 => &["file_delete", "file_delete_detected"],
        27 => &["file_block_executable"],
        28 => &["file_block_shredding"],
        29 => &["file_executable_detected"],
        255 => &["sysmon_error"],
        _ => &[],
    }
}

/// What Sysmon's event 12 tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RegistryAction {
    Create,
    Delete,
}

impl RegistryAction {
    /// Reads `EventType`, which some shippers overwrite with their own; then the text of the message.
    pub fn read(event_type: &str, message: &str) -> Option<Self> {
        let told = message.split_once("EventType: ").map_or("", |(_, rest)| rest);
        [event_type, told].into_iter().find_map(|word| {
            if word.starts_with("CreateKey") {
                Some(Self::Create)
            } else {
                (word.starts_with("DeleteKey") || word.starts_with("DeleteValue")).then_some(Self::Delete)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_told_in_any_case_and_by_their_provider() {
        assert_eq!(service("Microsoft-Windows-Sysmon/Operational", ""), "sysmon");
        assert_eq!(service("SECURITY", "x"), "security");
        assert_eq!(service("", "Microsoft-Windows-Sysmon"), "sysmon");
        assert_eq!(service("Vendor/Own", "Microsoft-Windows-Sysmon"), "Vendor/Own");
        assert_eq!(service("", "Vendor"), "");
    }

    #[test]
    fn registry_events_are_told_apart_by_what_was_done() {
        let of = |event_type, message| categories("sysmon", 12, RegistryAction::read(event_type, message));
        assert_eq!(of("CreateKey", ""), ["registry_add", "registry_event"]);
        assert_eq!(
            of("INFO", "x\r\nEventType: DeleteValue\r\n"),
            ["registry_delete", "registry_event"]
        );
        assert_eq!(of("INFO", ""), ["registry_add", "registry_delete", "registry_event"]);
        assert_eq!(categories("sysmon", 13, None), ["registry_set", "registry_event"]);
        assert_eq!(categories("security", 13, None), [""; 0]);
    }
}
