// Package sqldb opens the one database that Thumbprint keeps everything in,
// SQLite or PostgreSQL, behind one small handle.
//
// Its invariant: when InTx returns nil, what the closure wrote is committed and
// on disk (SQLite: synchronous=FULL; PostgreSQL: its own default). Nothing that
// is acknowledged to a user is acknowledged before that.
//
// On SQLite one goroutine owns the only writing connection and commits many
// closures together (group commit), so that one fsync serves all that were
// waiting; when one of them fails, they run again, each in a savepoint of its own,
// so that the failure spoils nobody else. Readers
// have connections of their own and never wait for the writer (WAL). PostgreSQL
// gets ordinary transactions, repeated on serialization failures and deadlocks.
//
// SQL is one text for both engines: $1 placeholders, the types TEXT, BIGINT,
// DOUBLE PRECISION and BOOLEAN, JSON kept as TEXT, times as microseconds since
// the Unix epoch in UTC. What still differs is a Dialect value. The package
// knows no table of any feature except through the migrations folder.
package sqldb
