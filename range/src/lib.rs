//! The drill: a miniature provider, an attacker with a diary, and the score.
