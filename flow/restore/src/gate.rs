use std::collections::BTreeSet;

use leckwehr_estate::Estate;
use leckwehr_incident::Situation;

/// The systems that the step puts within reach of others.
pub(crate) fn returning(target: &str, situation: &Situation, estate: &Estate) -> BTreeSet<String> {
    let Some(connection) = estate.connections.get(target) else {
        return BTreeSet::from([target.to_owned()]);
    };
    let ends = [&connection.from, &connection.to];
    let is_isolated = |id: &String| situation.hosts.get(id).is_some_and(|host| host.isolated);
    let systems = estate.systems.iter();
    let at_an_end = systems.filter(|(id, s)| ends.contains(id) || ends.contains(&&s.zone) && !is_isolated(id));
    at_an_end.map(|(id, _)| id.clone()).collect()
}

pub(crate) fn is_valid_on(account: &str, systems: &BTreeSet<String>, estate: &Estate) -> bool {
    let account = estate.accounts.get(account);
    account.is_none_or(|a| a.logs_on_to.iter().any(|id| systems.contains(id)))
}
