/// A value that must not reach a log, a ledger entry, an error text or a page.
///
/// It has no `Debug`, `Display` or `Serialize`, so formatting it does not compile:
///
/// ```compile_fail
/// let kvnr = leckwehr_crypt::Redacted::new("A123456780".to_owned());
/// println!("{kvnr:?}");
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Redacted<T>(T);

impl<T> Redacted<T> {
    /// Takes the value out of sight.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// Returns the value to code that has a reason to see it.
    pub fn reveal(&self) -> &T {
        &self.0
    }
}
