use super::sample::Sample;

/// By what slices are told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discriminator {
    /// What is looked at.
    pub kind: DiscriminatorKind,
    /// Where, from the sliced element.
    pub path: Vec<Step>,
    /// The path as written.
    pub text: Box<str>,
}

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiscriminatorKind {
    /// The value, or that it matches a pattern or is in a value set.
    Value,
    /// Whether it is there.
    Exists,
    /// Its type.
    Type,
    /// Whether it conforms to a profile.
    Profile,
    /// Anything else is not known to R4.
    Unknown,
}

/// One step of a discriminator's path: the restricted FHIRPath of FHIR R4, profiling 5.1.0.8.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A child element.
    Child(Box<str>),
    /// `extension('url')`.
    Extension(Box<str>),
    /// `resolve()`.
    Resolve,
    /// `ofType(type)`.
    OfType(Box<str>),
    /// A step outside of the restricted FHIRPath.
    Unknown,
}

/// What makes an element one of a slice: all of these must hold, one per discriminator.
#[derive(Debug, Clone)]
pub struct SliceTests {
    /// One per discriminator.
    pub tests: Vec<SliceTest>,
}

/// What makes one discriminator hold.
#[derive(Debug, Clone)]
pub struct SliceTest {
    /// Where to look in the instance.
    pub path: Vec<Step>,
    /// What to find there; any of these.
    pub criteria: Vec<Criterion>,
}

/// What a discriminating element must be.
#[derive(Debug, Clone)]
pub enum Criterion {
    /// Exactly this value.
    Fixed(Sample),
    /// At least this value.
    Pattern(Sample),
    /// A code of this value set.
    Binding(Box<str>),
    /// There.
    Present,
    /// Not there.
    Absent,
    /// Of one of these types.
    Type(Vec<Box<str>>),
    /// Conforming to this profile.
    Profile(Box<str>),
    /// With parts for which these hold.
    Parts(Vec<(Step, Criterion)>),
}

impl Discriminator {
    /// Parses kind and path; what is not known stays visible as `Unknown`.
    pub fn new(kind: &str, path: &str) -> Self {
        Self {
            kind: match kind {
                // `pattern` is the deprecated name of the same
                "value" | "pattern" => DiscriminatorKind::Value,
                "exists" => DiscriminatorKind::Exists,
                "type" => DiscriminatorKind::Type,
                "profile" => DiscriminatorKind::Profile,
                _ => DiscriminatorKind::Unknown,
            },
            path: parse(path),
            text: path.into(),
        }
    }
}

fn parse(path: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    for part in split(path) {
        let step = match part {
            "$this" | "" => continue,
            "resolve()" => Step::Resolve,
            _ => match part.split_once('(') {
                None => Step::Child(part.strip_suffix("[x]").unwrap_or(part).into()),
                Some((function, rest)) => {
                    let argument = rest.trim_end_matches(')').trim().trim_matches(['\'', '"']);
                    match function {
                        "extension" => Step::Extension(argument.into()),
                        "ofType" | "as" => Step::OfType(argument.trim_start_matches("FHIR.").into()),
                        _ => Step::Unknown,
                    }
                }
            },
        };
        steps.push(step);
    }
    steps
}

/// Splits at dots outside of parentheses (a URL within them has dots).
fn split(path: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0u32;
    path.split(move |c| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == '.' && depth == 0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_split_into_steps() {
        let steps = Discriminator::new("value", "$this.extension('http://a.b/c').value[x].ofType(Coding).code").path;
        let child = |name: &str| Step::Child(name.into());
        assert_eq!(
            steps,
            [
                Step::Extension("http://a.b/c".into()),
                child("value"),
                Step::OfType("Coding".into()),
                child("code")
            ]
        );
        assert_eq!(Discriminator::new("type", "$this.resolve()").path, [Step::Resolve]);
        assert_eq!(Discriminator::new("value", "$this").path, []);
    }
}
