use std::future::Future;

use serde_json::Value;

use crate::order::{Order, Reply};
use crate::warrant::Refusal;

/// Carries out orders whose warrant was checked.
pub trait Executor: Send {
    /// Does the order, all of it or nothing where the world allows that.
    ///
    /// Doing it twice is doing it once: an order whose outcome was lost comes again.
    fn execute(&mut self, order: &Order) -> impl Future<Output = Result<Reply, Refusal>> + Send;

    /// Reads what an order for one step will change, for its undo. Written down before the order is done.
    fn before(&mut self, _order: &Order) -> impl Future<Output = Result<Value, Refusal>> + Send {
        async { Ok(Value::Null) }
    }

    /// Takes an order back: the world becomes what it was `before`, one value per step. `order` is the undoing one
    /// ([`Order::undoing`]).
    fn undo(&mut self, _order: &Order, _before: &[Value]) -> impl Future<Output = Result<Reply, Refusal>> + Send {
        async { Err(Refusal::NotImplemented) }
    }

    /// Answers an order that was done already, without doing anything.
    fn look(&mut self) -> impl Future<Output = Result<Reply, Refusal>> + Send {
        async { Ok(Reply::done(Value::Null)) }
    }
}
