//! Records of the field's formats become columnar events.
