use std::future::Future;

use leckwehr_incident::PlanStep;
use serde_json::Value;

use crate::order::{Order, Reply};
use crate::warrant::Refusal;

/// Carries out orders whose warrant was checked.
pub trait Executor: Send {
    /// Does the order; `step` is absent for orders that change nothing.
    ///
    /// Doing it twice is doing it once: an order whose outcome was lost comes again.
    fn execute(&mut self, order: &Order, step: Option<&PlanStep>) -> impl Future<Output = Result<Reply, Refusal>> + Send;

    /// Reads what the order will change, for its undo. Written down before the order is done.
    fn before(&mut self, _order: &Order) -> impl Future<Output = Result<Value, Refusal>> + Send {
        async { Ok(Value::Null) }
    }

    /// Takes an order back: the world becomes what it was `before`. `order` is the undoing one ([`Order::undoing`]).
    fn undo(&mut self, _order: &Order, _before: &Value) -> impl Future<Output = Result<Reply, Refusal>> + Send {
        async { Err(Refusal::NotImplemented) }
    }

    /// Answers an order that was done already, without doing anything.
    fn look(&mut self) -> impl Future<Output = Result<Reply, Refusal>> + Send {
        async { Ok(Reply::done(Value::Null)) }
    }
}
