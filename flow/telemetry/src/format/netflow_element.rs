//! Information elements: their names and how their octets are read (IANA registry *IPFIX Entities*; RFC 3954 § 8 for NetFlow 9).

use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Enterprise number by which RFC 5103 marks the reverse direction of a flow.
pub(crate) const REVERSE: u32 = 29_305;
/// Octets written of an element whose form is not known.
const OCTETS_MAX: usize = 128;

/// How an element's octets are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Unsigned, 1 to 8 octets, also fewer than the registry says (RFC 7011 § 6.2).
    Number,
    /// IPv4 or IPv6 address, told apart by its length.
    Address,
    /// Octets in hexadecimal with colons.
    Mac,
    /// UTF-8, ended by its length or NULs.
    Text,
    /// Not known: a number up to 8 octets, hexadecimal beyond.
    Unknown,
}

/// Returns the name and form of an element of the registry.
pub(crate) fn element(id: u16) -> Option<(&'static str, Form)> {
    let place = ELEMENTS.binary_search_by_key(&id, |(known, _, _)| *known).ok()?;
    ELEMENTS.get(place).map(|(_, name, form)| (*name, *form))
}

/// Reads up to 8 octets as an unsigned number in network order.
pub(crate) fn number(octets: &[u8]) -> Option<u64> {
    let short = !octets.is_empty() && octets.len() <= 8;
    short.then(|| octets.iter().fold(0, |n, b| n << 8 | u64::from(*b)))
}

/// Writes the octets as text.
pub(crate) fn write(form: Form, octets: &[u8], into: &mut String) {
    match (form, octets.len()) {
        (Form::Address, 4) => drop(number(octets).map(|n| write!(into, "{}", Ipv4Addr::from_bits(n as u32)))),
        (Form::Address, 16) => {
            let octets: [u8; 16] = octets.try_into().unwrap_or_default();
            let _ = write!(into, "{}", Ipv6Addr::from(octets));
        }
        (Form::Mac, _) => hex(octets, ":", into),
        (Form::Text, _) => into.push_str(String::from_utf8_lossy(octets).trim_end_matches('\0').trim()),
        (Form::Number | Form::Unknown, 1..=8) => drop(number(octets).map(|n| write!(into, "{n}"))),
        _ => hex(octets, "", into),
    }
}

fn hex(octets: &[u8], between: &str, into: &mut String) {
    for (i, octet) in octets.iter().take(OCTETS_MAX).enumerate() {
        if i > 0 {
            into.push_str(between);
        }
        let _ = write!(into, "{octet:02x}");
    }
}

use Form::{Address as A, Mac as M, Number as N, Text as T, Unknown as U};

/// In the order of their numbers.
#[rustfmt::skip]
const ELEMENTS: &[(u16, &str, Form)] = &[
    (1, "octetDeltaCount", N), (2, "packetDeltaCount", N), (3, "deltaFlowCount", N), (4, "protocolIdentifier", N),
    (5, "ipClassOfService", N), (6, "tcpControlBits", N), (7, "sourceTransportPort", N), (8, "sourceIPv4Address", A),
    (9, "sourceIPv4PrefixLength", N), (10, "ingressInterface", N), (11, "destinationTransportPort", N),
    (12, "destinationIPv4Address", A), (13, "destinationIPv4PrefixLength", N), (14, "egressInterface", N),
    (15, "ipNextHopIPv4Address", A), (16, "bgpSourceAsNumber", N), (17, "bgpDestinationAsNumber", N),
    (18, "bgpNextHopIPv4Address", A), (19, "postMCastPacketDeltaCount", N), (20, "postMCastOctetDeltaCount", N),
    (21, "flowEndSysUpTime", N), (22, "flowStartSysUpTime", N), (23, "postOctetDeltaCount", N),
    (24, "postPacketDeltaCount", N), (25, "minimumIpTotalLength", N), (26, "maximumIpTotalLength", N),
    (27, "sourceIPv6Address", A), (28, "destinationIPv6Address", A), (29, "sourceIPv6PrefixLength", N),
    (30, "destinationIPv6PrefixLength", N), (31, "flowLabelIPv6", N), (32, "icmpTypeCodeIPv4", N), (33, "igmpType", N),
    (34, "samplingInterval", N), (35, "samplingAlgorithm", N), (36, "flowActiveTimeout", N), (37, "flowIdleTimeout", N),
    (38, "engineType", N), (39, "engineId", N), (40, "exportedOctetTotalCount", N), (41, "exportedMessageTotalCount", N),
    (42, "exportedFlowRecordTotalCount", N), (46, "mplsTopLabelType", N), (47, "mplsTopLabelIPv4Address", A),
    (48, "samplerId", N), (49, "samplerMode", N), (50, "samplerRandomInterval", N), (52, "minimumTTL", N),
    (53, "maximumTTL", N), (54, "fragmentIdentification", N), (55, "postIpClassOfService", N), (56, "sourceMacAddress", M),
    (57, "postDestinationMacAddress", M), (58, "vlanId", N), (59, "postVlanId", N), (60, "ipVersion", N),
    (61, "flowDirection", N), (62, "ipNextHopIPv6Address", A), (63, "bgpNextHopIPv6Address", A),
    (64, "ipv6ExtensionHeaders", N), (70, "mplsTopLabelStackSection", U), (80, "destinationMacAddress", M),
    (81, "postSourceMacAddress", M), (82, "interfaceName", T), (83, "interfaceDescription", T), (84, "samplerName", T),
    (85, "octetTotalCount", N), (86, "packetTotalCount", N), (88, "fragmentOffset", N), (89, "forwardingStatus", N),
    (90, "mplsVpnRouteDistinguisher", U), (94, "applicationDescription", T), (95, "applicationId", U),
    (96, "applicationName", T), (98, "postIpDiffServCodePoint", N), (128, "bgpNextAdjacentAsNumber", N),
    (129, "bgpPrevAdjacentAsNumber", N), (130, "exporterIPv4Address", A), (131, "exporterIPv6Address", A),
    (132, "droppedOctetDeltaCount", N), (133, "droppedPacketDeltaCount", N), (134, "droppedOctetTotalCount", N),
    (135, "droppedPacketTotalCount", N), (136, "flowEndReason", N), (137, "commonPropertiesId", N),
    (138, "observationPointId", N), (139, "icmpTypeCodeIPv6", N), (141, "lineCardId", N), (142, "portId", N),
    (143, "meteringProcessId", N), (144, "exportingProcessId", N), (145, "templateId", N), (147, "wlanSSID", T),
    (148, "flowId", N), (149, "observationDomainId", N), (150, "flowStartSeconds", N), (151, "flowEndSeconds", N),
    (152, "flowStartMilliseconds", N), (153, "flowEndMilliseconds", N), (154, "flowStartMicroseconds", N),
    (155, "flowEndMicroseconds", N), (156, "flowStartNanoseconds", N), (157, "flowEndNanoseconds", N),
    (158, "flowStartDeltaMicroseconds", N), (159, "flowEndDeltaMicroseconds", N), (160, "systemInitTimeMilliseconds", N),
    (161, "flowDurationMilliseconds", N), (162, "flowDurationMicroseconds", N), (163, "observedFlowTotalCount", N),
    (164, "ignoredPacketTotalCount", N), (165, "ignoredOctetTotalCount", N), (166, "notSentFlowTotalCount", N),
    (167, "notSentPacketTotalCount", N), (168, "notSentOctetTotalCount", N), (176, "icmpTypeIPv4", N),
    (177, "icmpCodeIPv4", N), (178, "icmpTypeIPv6", N), (179, "icmpCodeIPv6", N), (180, "udpSourcePort", N),
    (181, "udpDestinationPort", N), (182, "tcpSourcePort", N), (183, "tcpDestinationPort", N), (184, "tcpSequenceNumber", N),
    (185, "tcpAcknowledgementNumber", N), (186, "tcpWindowSize", N), (189, "ipHeaderLength", N), (192, "ipTTL", N),
    (195, "ipDiffServCodePoint", N), (201, "mplsLabelStackLength", N), (206, "isMulticast", N), (210, "paddingOctets", U),
    (211, "collectorIPv4Address", A), (212, "collectorIPv6Address", A), (213, "exportInterface", N),
    (214, "exportProtocolVersion", N), (215, "exportTransportProtocol", N), (216, "collectorTransportPort", N),
    (217, "exporterTransportPort", N), (218, "tcpSynTotalCount", N), (219, "tcpFinTotalCount", N),
    (220, "tcpRstTotalCount", N), (221, "tcpPshTotalCount", N), (222, "tcpAckTotalCount", N), (223, "tcpUrgTotalCount", N),
    (224, "ipTotalLength", N), (225, "postNATSourceIPv4Address", A), (226, "postNATDestinationIPv4Address", A),
    (227, "postNAPTSourceTransportPort", N), (228, "postNAPTDestinationTransportPort", N),
    (229, "natOriginatingAddressRealm", N), (230, "natEvent", N), (231, "initiatorOctets", N), (232, "responderOctets", N),
    (233, "firewallEvent", N), (234, "ingressVRFID", N), (235, "egressVRFID", N), (236, "VRFname", T),
    (239, "biflowDirection", N), (243, "dot1qVlanId", N), (252, "ingressPhysicalInterface", N),
    (253, "egressPhysicalInterface", N), (256, "ethernetType", N), (258, "collectionTimeMilliseconds", N),
    (281, "postNATSourceIPv6Address", A), (282, "postNATDestinationIPv6Address", A), (298, "initiatorPackets", N),
    (299, "responderPackets", N), (300, "observationDomainName", T), (301, "selectionSequenceId", N), (302, "selectorId", N),
    (304, "selectorAlgorithm", N), (305, "samplingPacketInterval", N), (306, "samplingPacketSpace", N),
    (309, "samplingSize", N), (310, "samplingPopulation", N), (322, "observationTimeSeconds", N),
    (323, "observationTimeMilliseconds", N), (335, "selectorName", T), (346, "privateEnterpriseNumber", N),
    (352, "layer2OctetDeltaCount", N), (371, "userName", T), (372, "applicationCategoryName", T),
    (457, "httpStatusCode", N), (459, "httpRequestMethod", T), (460, "httpRequestHost", T), (461, "httpRequestTarget", T),
    (462, "httpMessageVersion", T), (466, "natInstanceID", N), (468, "httpUserAgent", T), (469, "httpContentType", T),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn text(form: Form, octets: &[u8]) -> String {
        let mut text = String::new();
        write(form, octets, &mut text);
        text
    }

    #[test]
    fn the_table_is_in_order_and_every_row_is_found() {
        assert!(ELEMENTS.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(ELEMENTS.iter().all(|(id, name, form)| element(*id) == Some((name, *form))));
        assert_eq!(element(0), None);
    }

    #[test]
    fn octets_are_read_by_their_form_and_length() {
        assert_eq!(text(N, &[1, 0]), "256");
        assert_eq!(text(N, &[255; 8]), u64::MAX.to_string());
        assert_eq!(text(A, &[192, 0, 2, 1]), "192.0.2.1");
        assert_eq!(
            text(A, &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
            "2001:db8::1"
        );
        assert_eq!(text(M, &[0, 0xa, 1, 2, 3, 0xff]), "00:0a:01:02:03:ff");
        assert_eq!(text(T, b"eth0\0\0"), "eth0");
        assert_eq!(text(A, &[1, 2]), "0102");
        assert_eq!(text(U, &[0; 9]), "000000000000000000");
        assert_eq!(text(N, &[]), "");
    }
}
