//! One binary: the site, its verification, the lint and the report, on a made-up incident.

#[cfg(test)]
mod cut_map;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod impact;
#[cfg(test)]
mod lint;
#[cfg(test)]
mod report;
#[cfg(test)]
mod site;
#[cfg(test)]
mod verify;
