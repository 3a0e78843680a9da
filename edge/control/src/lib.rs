//! The control room: joins the rooms into one chain and writes every step into the ledger.
//!
//! ```text
//!   telemetry ─► Intake ─► Detector ─► Fusion ─► assess ─► options, plan ─► approvals ─► guards, agents ─► probes
//!                    every arrow is a fact in the ledger first                    ─► restore ─► status site
//! ```
//!
//! [`run`] is the live control room; [`replay`] runs the same chain over recorded telemetry and changes nothing in the world.
//!
//! # Architecture invariants
//! - Only this room joins others. It computes nothing itself: it asks a room, records the answer, and acts on it.
//! - Intent, commit, outcome: a step's intent is durable before its order leaves, its outcome after it was verified.
//! - The world is reached through [`Wires`] only: sockets and clock are injected.
//! - It holds no approver's key: approvals come from people.

mod actuator;
mod agents;
mod annex;
mod approval;
mod books;
mod choice;
mod config;
mod course;
mod cut;
mod errand;
mod error;
mod examine;
mod execution;
mod files;
mod fit;
mod folder;
mod gated;
mod hands;
mod hunt;
mod limits;
mod measures;
mod moment;
mod proof;
mod publication;
mod receive;
mod recording;
mod refusals;
mod replay;
mod restoration;
mod resume;
mod room;
mod room_file;
mod spool;
mod statement;
mod summary;
mod takedown;
mod watch;
mod what_if;
mod word;

pub use actuator::{
    CommandWay, ManualWay, Orders, PROGRAM_MS_MAX, PROGRAM_OUTPUT_BYTES_MAX, Program, ProgramEnd, ProgramError,
    RUNBOOK_BYTES_MAX, ResticWay, Runbook, RunbookActuator, RunbookError, RunbookStep, UnitState, UnitWay, WithoutOrders,
};
pub use approval::{
    APPROVAL_MS_MAX, ask_for, decision_about, fault_of, faults_of_plan, may_begin, order_undo, propose, take_word, undo_hash,
};
pub use config::{Config, Confirmer, Input, LifeLine, Mirror, Output, Wires};
pub use course::{Course, CourseEnd, Manner, Ways};
pub use cut::CutActuator;
pub use errand::{Courier, Errand, Warranted};
pub use error::ControlError;
pub use examine::{Examination, examine};
pub use execution::{
    Actuator, Clock, Ended, Execution, Faults, Journal, NoFaults, Point, Reading, Renewal, by_action, open_steps, refused_steps,
    undo_steps,
};
pub use fit::{fit_fact, fit_impact, plan_facts};
pub use hands::TakedownActuator;
pub use hunt::{
    Behaviour, CutOff, HUNT_FILES_MAX, HUNT_THREADS_MAX, HuntError, HuntNews, HuntReport, HuntSettings, HuntState,
    PIECE_BYTES_MAX, Refusal, SourceLoss, TelemetryFiles, hunt,
};
pub use measures::{Takedown, TakedownEnd};
pub use proof::{Proof, cut_now, prove};
pub use receive::{
    PEERS_MAX, Payload, QUEUE_BYTES_MAX, QUEUE_MESSAGES_MAX, ReceiveAccount, ReceiveError, ReceiveLimits, Received,
    ReceivedQueue, Receivers, SourceConfig, SourceKind, Streams,
};
pub use recording::{DamagedPlace, FileRead, REPLAY_EVENTS_MAX, REPLAY_FILES_MAX};
pub use refusals::refusals;
pub use replay::{ReplayError, ReplayNews, ReplayOutcome, ReplaySettings, replay};
pub use room::run;
pub use room_file::RoomFileError;
pub use statement::{Statement, absence_bytes, refusal_bytes, take_statement};
pub use summary::{
    BytesLine, DutyLine, DutyLines, InputLines, LedgerLine, RestoreLines, RouteLines, RuleLine, SourceLine, Summary,
    TakedownLines,
};
pub use watch::{
    Asking, FOLLOW_FILES_MAX, FollowConfig, WatchConfig, WatchConfigError, WatchError, WatchNews, WatchReport, WatchSettings,
    watch,
};
pub use what_if::{Replayed, what_if_options};
pub use word::take_signed_word;
