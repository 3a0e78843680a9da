use crate::IssueKind;

/// Language of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// German.
    German,
}

/// How bad an issue is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Good to know.
    Information,
    /// Allowed, and probably not meant.
    Warning,
    /// Not allowed: the document is invalid.
    Error,
    /// The document cannot be read.
    Fatal,
}

impl Severity {
    /// The code of FHIR's `issue-severity`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Information => "information",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Fatal => "fatal",
        }
    }

    /// The severity with this code.
    pub fn of_code(code: &str) -> Option<Self> {
        [Self::Information, Self::Warning, Self::Error, Self::Fatal]
            .into_iter()
            .find(|s| s.code() == code)
    }
}

/// What is wrong. The texts in it come from profiles, never from the document.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    /// Reading found it.
    Source(IssueKind),
    /// The type of the resource does not exist.
    UnknownResource,
    /// No such element here.
    UnknownElement,
    /// Elements are in another order than the definition's.
    Order,
    /// Neither a value nor content.
    Empty,
    /// Written as another kind of JSON value than its type wants.
    JsonKind,
    /// A JSON array where none is wanted, or none where one is.
    JsonArray,
    /// Not in the form of its type.
    Format(Box<str>),
    /// Fewer than the least number: element, least number.
    Minimum(Box<str>, u32),
    /// More than the greatest number: element, greatest number.
    Maximum(Box<str>, u32),
    /// A type that the profile does not allow.
    Type,
    /// Not the value that the profile fixes.
    Fixed,
    /// Does not contain what the profile's pattern demands.
    Pattern,
    /// Longer than the greatest length.
    Length(u32),
    /// Below the least or above the greatest value.
    Range,
    /// Belongs to none of the slices: element; an error where slicing is closed.
    NoSlice(Box<str>),
    /// A slice that comes before one that it must follow: slice.
    SliceOrder(Box<str>),
    /// A slice that cannot be recognised: element and path.
    SliceUndecided(Box<str>),
    /// No code of a required value set.
    NotInValueSet(Box<str>),
    /// Not in the value set that should be used if it has a fitting code.
    NotInExtensible(Box<str>),
    /// The value set is not there or cannot be evaluated.
    ValueSetUnknown(Box<str>),
    /// The code system does not have the code.
    NotInCodeSystem(Box<str>),
    /// An invariant does not hold: key, what it says.
    Rule(Box<str>, Box<str>),
    /// An invariant could not be evaluated: key.
    RuleUnknown(Box<str>),
    /// The referenced resource is of a type that is not allowed.
    TargetType,
    /// The referenced resource conforms to none of the profiles allowed.
    TargetProfile,
    /// The reference leads nowhere.
    TargetMissing,
    /// The type said in the reference is not that of its target.
    TargetTypeDiffers,
    /// The target is not where the profile wants it (contained, bundled).
    Aggregation,
    /// A profile that no package defines.
    ProfileUnknown,
    /// A profile of another type of resource.
    ProfileType(Box<str>),
    /// None of several profiles fits.
    ProfileChoice,
    /// An extension that no package defines.
    ExtensionUnknown,
    /// A modifier extension that no package defines.
    ModifierUnknown,
    /// A modifier extension as an extension, or the other way round.
    ModifierMisplaced,
    /// The extension may not be used here: where it may.
    ExtensionContext(Box<str>),
    /// Narrative that is not safe or not allowed.
    Narrative,
    /// `fullUrl` does not fit the resource's id.
    FullUrl,
    /// A resource of a document that nothing refers to.
    Orphan,
    /// The document's date lies outside of the validity of all package sets.
    OutOfValidity,
    /// The date that chooses the package set cannot be found.
    NoDate,
    /// An encoding that the configuration does not accept.
    Encoding,
    /// The document names no profile that the configuration supports.
    Unsupported,
}

impl Fault {
    /// A short name of the rule that was broken, stable across languages. For invariants: their key.
    pub fn key(&self) -> &str {
        match self {
            Self::Source(kind) => kind.code(),
            Self::Rule(key, _) | Self::RuleUnknown(key) => key,
            Self::UnknownResource => "resource-unknown",
            Self::UnknownElement => "element-unknown",
            Self::Order => "element-order",
            Self::Empty => "ele-1",
            Self::JsonKind => "json-kind",
            Self::JsonArray => "json-array",
            Self::Format(_) => "format",
            Self::Minimum(..) => "cardinality-min",
            Self::Maximum(..) => "cardinality-max",
            Self::Type => "type",
            Self::Fixed => "fixed",
            Self::Pattern => "pattern",
            Self::Length(_) => "length",
            Self::Range => "range",
            Self::NoSlice(_) => "slice-none",
            Self::SliceOrder(_) => "slice-order",
            Self::SliceUndecided(_) => "slice-undecided",
            Self::NotInValueSet(_) => "binding-required",
            Self::NotInExtensible(_) => "binding-extensible",
            Self::ValueSetUnknown(_) => "binding-unknown",
            Self::NotInCodeSystem(_) => "code-unknown",
            Self::TargetType => "reference-type",
            Self::TargetProfile => "reference-profile",
            Self::TargetMissing => "reference-missing",
            Self::TargetTypeDiffers => "reference-type-differs",
            Self::Aggregation => "reference-aggregation",
            Self::ProfileUnknown => "profile-unknown",
            Self::ProfileType(_) => "profile-type",
            Self::ProfileChoice => "profile-choice",
            Self::ExtensionUnknown => "extension-unknown",
            Self::ModifierUnknown => "modifier-unknown",
            Self::ModifierMisplaced => "modifier-misplaced",
            Self::ExtensionContext(_) => "extension-context",
            Self::Narrative => "narrative",
            Self::FullUrl => "bundle-fullurl",
            Self::Orphan => "bundle-orphan",
            Self::OutOfValidity => "validity-period",
            Self::NoDate => "validity-date",
            Self::Encoding => "encoding",
            Self::Unsupported => "profile-unsupported",
        }
    }

    /// The code of FHIR's `issue-type`.
    pub fn issue_type(&self) -> &'static str {
        match self {
            Self::Source(_) | Self::UnknownElement | Self::UnknownResource | Self::Order | Self::JsonKind | Self::JsonArray => {
                "structure"
            }
            Self::Minimum(..) | Self::Empty => "required",
            Self::Rule(..) | Self::FullUrl => "invariant",
            Self::NotInValueSet(_) | Self::NotInExtensible(_) | Self::NotInCodeSystem(_) => "code-invalid",
            Self::Format(_) | Self::Fixed | Self::Pattern | Self::Range | Self::Length(_) => "value",
            Self::ProfileUnknown | Self::ValueSetUnknown(_) | Self::TargetMissing => "not-found",
            Self::ExtensionUnknown | Self::ModifierUnknown | Self::ModifierMisplaced | Self::ExtensionContext(_) => "extension",
            Self::RuleUnknown(_) | Self::SliceUndecided(_) | Self::Unsupported | Self::Encoding => "not-supported",
            Self::OutOfValidity | Self::NoDate => "business-rule",
            Self::Narrative => "security",
            _ => "structure",
        }
    }

    /// The id under which the HL7 validator reports the same, for configurations that name it.
    pub fn message_id(&self) -> Option<&'static str> {
        Some(match self {
            Self::NoSlice(_) => "Validation_VAL_Profile_NotSlice",
            Self::Fixed => "_DT_Fixed_Wrong",
            Self::TargetProfile => "Reference_REF_CantMatchChoice",
            Self::ExtensionUnknown => "Extension_EXT_Unknown",
            Self::Minimum(..) => "Validation_VAL_Profile_Minimum",
            Self::Maximum(..) => "Validation_VAL_Profile_Maximum",
            Self::ProfileUnknown => "Validation_VAL_Profile_Unknown",
            Self::NotInValueSet(_) => "Terminology_TX_NoValid_1_CC",
            Self::ValueSetUnknown(_) => "Terminology_TX_ValueSet_NotFound",
            Self::Orphan => "Bundle_BUNDLE_Entry_Orphan_DOCUMENT",
            Self::TargetMissing => "Bundle_BUNDLE_Entry_NotFound",
            _ => return None,
        })
    }

    /// One sentence for people, without anything from the document.
    pub fn text(&self, language: Language) -> String {
        match language {
            Language::English => self.english(),
            Language::German => self.german(),
        }
    }

    fn english(&self) -> String {
        match self {
            Self::Source(kind) => kind.text().to_owned(),
            Self::UnknownResource => "there is no such type of resource".into(),
            Self::UnknownElement => "there is no such element here".into(),
            Self::Order => "the element is out of order".into(),
            Self::Empty => "an element must have a value or content".into(),
            Self::JsonKind => "the kind of JSON value does not fit the type of the element".into(),
            Self::JsonArray => "an array is wanted for elements that repeat, and for them only".into(),
            Self::Format(of) => format!("not in the form of the type {of}"),
            Self::Minimum(element, least) => format!("{element} must be there at least {least} time(s)"),
            Self::Maximum(element, most) => format!("{element} may be there at most {most} time(s)"),
            Self::Type => "the profile does not allow this type".into(),
            Self::Fixed => "not the value that the profile fixes".into(),
            Self::Pattern => "does not contain what the profile's pattern demands".into(),
            Self::Length(most) => format!("longer than {most} characters"),
            Self::Range => "outside of the least and greatest value".into(),
            Self::NoSlice(element) => format!("does not match any known slice of {element}"),
            Self::SliceOrder(slice) => format!("slice {slice} is out of order"),
            Self::SliceUndecided(of) => format!("cannot tell what makes a slice: {of}"),
            Self::NotInValueSet(set) => format!("no code of the required value set {set}"),
            Self::NotInExtensible(set) => format!("no code of the extensible value set {set}"),
            Self::ValueSetUnknown(set) => format!("cannot be checked against the value set {set}"),
            Self::NotInCodeSystem(system) => format!("the code system {system} has no such code"),
            Self::Rule(key, human) => format!("{key}: {human}"),
            Self::RuleUnknown(key) => format!("the invariant {key} could not be evaluated"),
            Self::TargetType => "the target of the reference is of a type that is not allowed here".into(),
            Self::TargetProfile => "the target of the reference conforms to none of the profiles allowed here".into(),
            Self::TargetMissing => "the target of the reference is not there".into(),
            Self::TargetTypeDiffers => "the type that the reference says is not that of its target".into(),
            Self::Aggregation => "the target is not where the profile wants it (contained, bundled or outside)".into(),
            Self::ProfileUnknown => "a profile that no package of the set defines".into(),
            Self::ProfileType(of) => format!("the profile is one of {of}"),
            Self::ProfileChoice => "conforms to none of the profiles allowed here".into(),
            Self::ExtensionUnknown => "an extension that no package of the set defines".into(),
            Self::ModifierUnknown => "a modifier extension that no package of the set defines".into(),
            Self::ModifierMisplaced => "a modifier extension and an extension are not the same".into(),
            Self::ExtensionContext(allowed) => format!("the extension may not be used here, only in: {allowed}"),
            Self::Narrative => "the narrative holds what FHIR does not allow in it".into(),
            Self::FullUrl => "fullUrl and the id of the resource do not fit".into(),
            Self::Orphan => "nothing in the document refers to this resource".into(),
            Self::OutOfValidity => "on the document's date the profile was or is not valid".into(),
            Self::NoDate => "the date that decides about validity cannot be found".into(),
            Self::Encoding => "this encoding (XML or JSON) is not accepted".into(),
            Self::Unsupported => "the configuration supports none of the profiles that the document names".into(),
        }
    }

    fn german(&self) -> String {
        match self {
            Self::Source(kind) => kind.text().to_owned(),
            Self::UnknownResource => "diesen Ressourcentyp gibt es nicht".into(),
            Self::UnknownElement => "dieses Element gibt es hier nicht".into(),
            Self::Order => "das Element steht an der falschen Stelle".into(),
            Self::Empty => "ein Element muss einen Wert oder Inhalt haben".into(),
            Self::JsonKind => "die Art des JSON-Werts passt nicht zum Typ des Elements".into(),
            Self::JsonArray => "ein Array gehört zu wiederholbaren Elementen und nur zu ihnen".into(),
            Self::Format(of) => format!("nicht in der Form des Typs {of}"),
            Self::Minimum(element, least) => format!("{element} muss mindestens {least}-mal da sein"),
            Self::Maximum(element, most) => format!("{element} darf höchstens {most}-mal da sein"),
            Self::Type => "das Profil erlaubt diesen Typ nicht".into(),
            Self::Fixed => "nicht der Wert, den das Profil festlegt".into(),
            Self::Pattern => "enthält nicht, was das Muster des Profils verlangt".into(),
            Self::Length(most) => format!("länger als {most} Zeichen"),
            Self::Range => "außerhalb des kleinsten und größten Werts".into(),
            Self::NoSlice(element) => format!("stimmt mit keinem bekannten Slice von {element} überein"),
            Self::SliceOrder(slice) => format!("Slice {slice} steht an der falschen Stelle"),
            Self::SliceUndecided(of) => format!("nicht zu erkennen, was ein Slice ausmacht: {of}"),
            Self::NotInValueSet(set) => format!("kein Code aus dem verpflichtenden ValueSet {set}"),
            Self::NotInExtensible(set) => format!("kein Code aus dem erweiterbaren ValueSet {set}"),
            Self::ValueSetUnknown(set) => format!("gegen das ValueSet {set} nicht prüfbar"),
            Self::NotInCodeSystem(system) => format!("diesen Code gibt es im CodeSystem {system} nicht"),
            Self::Rule(key, human) => format!("{key}: {human}"),
            Self::RuleUnknown(key) => format!("die Bedingung {key} war nicht auswertbar"),
            Self::TargetType => "das Ziel der Referenz hat einen hier nicht erlaubten Typ".into(),
            Self::TargetProfile => "das Ziel der Referenz entspricht keinem der hier erlaubten Profile".into(),
            Self::TargetMissing => "das Ziel der Referenz ist nicht da".into(),
            Self::TargetTypeDiffers => "der Typ in der Referenz ist nicht der ihres Ziels".into(),
            Self::Aggregation => "das Ziel steht nicht dort, wo das Profil es will (contained, bundled oder außerhalb)".into(),
            Self::ProfileUnknown => "ein Profil, das kein Paket des Satzes definiert".into(),
            Self::ProfileType(of) => format!("das Profil ist eines für {of}"),
            Self::ProfileChoice => "entspricht keinem der hier erlaubten Profile".into(),
            Self::ExtensionUnknown => "eine Extension, die kein Paket des Satzes definiert".into(),
            Self::ModifierUnknown => "eine modifierExtension, die kein Paket des Satzes definiert".into(),
            Self::ModifierMisplaced => "modifierExtension und extension sind nicht dasselbe".into(),
            Self::ExtensionContext(allowed) => format!("die Extension darf nicht hier stehen, nur in: {allowed}"),
            Self::Narrative => "der Fließtext enthält, was FHIR darin nicht erlaubt".into(),
            Self::FullUrl => "fullUrl und id der Ressource passen nicht zusammen".into(),
            Self::Orphan => "nichts im Dokument verweist auf diese Ressource".into(),
            Self::OutOfValidity => "am Datum des Dokuments war oder ist das Profil nicht gültig".into(),
            Self::NoDate => "das Datum, das über die Gültigkeit entscheidet, ist nicht zu finden".into(),
            Self::Encoding => "diese Kodierung (XML oder JSON) wird nicht angenommen".into(),
            Self::Unsupported => "die Konfiguration unterstützt keines der Profile, die das Dokument nennt".into(),
        }
    }
}
