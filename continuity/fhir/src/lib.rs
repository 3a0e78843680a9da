//! Reads FHIR documents.
