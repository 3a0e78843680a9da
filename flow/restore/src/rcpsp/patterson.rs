use super::problem::{ACTIVITIES_MAX, Activity, Problem, ProblemError, RESOURCES_MAX};

/// Why a text is not a problem in the Patterson format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PattersonError {
    /// A word that is not a number of this size: line and word.
    Word(usize, String),
    /// The text ended where something more was due.
    Ended(&'static str),
    /// More text (from this line on) than the activities announced.
    Longer(usize),
    /// The numbers are no problem.
    Problem(ProblemError),
}

impl std::error::Error for PattersonError {}

impl std::fmt::Display for PattersonError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Word(line, word) => write!(f, "line {line}: {word:?} is not a whole number that fits here"),
            Self::Ended(due) => write!(f, "the text ends where {due} is due"),
            Self::Longer(line) => write!(f, "line {line}: more numbers than the activities announced in line 1 need"),
            Self::Problem(error) => error.fmt(f),
        }
    }
}

/// Reads a problem in the Patterson format of PSPLIB: number of activities and resources, capacities, then for each
/// activity its duration, demands, number of successors and the successors (from 1). Line breaks are spaces. O(bytes).
pub fn read_patterson(text: &str) -> Result<Problem, PattersonError> {
    let mut words = Words {
        text: text.lines().enumerate().flat_map(split as SplitFn).peekable(),
    };
    let activities = words.next("the number of activities", ACTIVITIES_MAX as u32)? as usize;
    let resources = words.next("the number of resources", RESOURCES_MAX as u32)? as usize;
    let capacity = words.many(resources, "the units of a resource")?;
    let mut all = Vec::with_capacity(activities);
    for _ in 0..activities {
        let duration = words.next("a duration", u32::MAX)?;
        let demand = words.many(resources, "a demand")?;
        let count = words.next("a number of successors", activities as u32)? as usize;
        let mut successors = Vec::with_capacity(count);
        for _ in 0..count {
            let at = words.line();
            let number = words.next("a successor", activities as u32)? as usize;
            let position = number
                .checked_sub(1)
                .ok_or_else(|| PattersonError::Word(at, "0".to_owned()))?;
            successors.push(position);
        }
        all.push(Activity {
            duration,
            demand,
            successors,
        });
    }
    match words.text.peek() {
        Some((line, _)) => Err(PattersonError::Longer(*line)),
        None => Problem::new(capacity, all).map_err(PattersonError::Problem),
    }
}

type Split<'a> = Box<dyn Iterator<Item = (usize, &'a str)> + 'a>;
type SplitFn = for<'a> fn((usize, &'a str)) -> Split<'a>;

fn split((index, line): (usize, &str)) -> Split<'_> {
    Box::new(line.split_whitespace().map(move |word| (index + 1, word)))
}

struct Words<'a, I: Iterator<Item = (usize, &'a str)>> {
    text: std::iter::Peekable<I>,
}

impl<'a, I: Iterator<Item = (usize, &'a str)>> Words<'a, I> {
    fn line(&mut self) -> usize {
        self.text.peek().map_or(0, |(line, _)| *line)
    }

    fn next(&mut self, due: &'static str, most: u32) -> Result<u32, PattersonError> {
        let (line, word) = self.text.next().ok_or(PattersonError::Ended(due))?;
        let number = word.parse::<u32>().ok().filter(|n| *n <= most);
        number.ok_or_else(|| PattersonError::Word(line, word.chars().take(20).collect()))
    }

    fn many(&mut self, count: usize, due: &'static str) -> Result<Vec<u32>, PattersonError> {
        (0..count).map(|_| self.next(due, u32::MAX)).collect()
    }
}
