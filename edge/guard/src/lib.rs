//! The agent at a switch: signed OpenC2 orders in, firewall state and counters out.
