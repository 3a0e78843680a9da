//! Events become findings, findings become alarms.
