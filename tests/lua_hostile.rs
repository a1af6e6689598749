//! Hostile scripts: each ends as it should, within twice its limit of units, and a well-behaved
//! call of the same generation gets its turn in every round meanwhile.
