use leckwehr_incident::What;

/// What the rooms cannot do yet and a responder might take for done. Every incident says so, and counts it as unknown.
const NOT_BUILT: [(&str, &str); 9] = [
    (
        "detect",
        "the room that cuts does not listen for silent sensors and shifted clocks: run `leckwehr watch` beside it",
    ),
    (
        "trace",
        "routes across blind spots, exposure and certificates are not drawn by the room itself: ask `leckwehr trace` over its telemetry",
    ),
    (
        "contain",
        "without an agreed protocol systems are neither drained nor captured for forensics; with one, that is people's work in this room: \
         `leckwehr takedown run` knows runbooks too",
    ),
    (
        "restore",
        "the room plans with crews around the clock and the recipes' minutes; `leckwehr restore plan` knows shifts, stores and the clean room",
    ),
    (
        "restore",
        "the gate clean rests on what a system's own agent says of its sessions, secrets and accounts, not on its programs",
    ),
    (
        "restore",
        "what comes up while systems return is put to people: the room plans no second takedown until it has ended",
    ),
    ("publish", "private views of single customers are not encrypted"),
    ("eau", "documents are looked at, not validated"),
    ("epa", "no channel of the record system is spoken"),
];

/// Returns the list as facts.
pub fn not_built() -> Vec<What> {
    let fact = |(room, what): &(&str, &str)| What::NotBuilt {
        room: (*room).to_owned(),
        what: (*what).to_owned(),
    };
    NOT_BUILT.iter().map(fact).collect()
}
