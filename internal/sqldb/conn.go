package sqldb

import (
	"context"
	"database/sql"
)

// conn is one SQLite connection with its prepared statements: preparing costs
// modernc more than most of our queries. It has one user at a time.
type conn struct {
	c     *sql.Conn
	stmts map[string]*sql.Stmt
}

// maxCachedStmts bounds a connection's cache, because search builds texts. A full
// cache is emptied: what is in use is soon back, and nothing has to keep account
// of which text that is.
const maxCachedStmts = 256

// begin runs the given BEGIN, connecting first when there is no connection, and
// once more when the one there was has died.
func (c *conn) begin(ctx context.Context, db *sql.DB, begin string) error {
	if c.c != nil {
		if err := c.exec(ctx, begin); err == nil {
			return nil
		}
		c.drop()
	}
	raw, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	c.c = raw
	return c.exec(ctx, begin)
}

// drop closes the connection; the next begin makes a new one.
func (c *conn) drop() {
	c.forget()
	if c.c != nil {
		_ = c.c.Close()
		c.c = nil
	}
}

// forget closes the prepared statements.
func (c *conn) forget() {
	for _, st := range c.stmts {
		_ = st.Close() // it has no rows open, and there is nothing to lose
	}
	c.stmts = nil
}

func (c *conn) exec(ctx context.Context, query string) error {
	_, err := c.ExecContext(ctx, query)
	return err
}

func (c *conn) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if st := c.stmt(ctx, query); st != nil {
		return st.ExecContext(ctx, args...)
	}
	return c.c.ExecContext(ctx, query, args...)
}

func (c *conn) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if st := c.stmt(ctx, query); st != nil {
		return st.QueryContext(ctx, args...)
	}
	return c.c.QueryContext(ctx, query, args...)
}

func (c *conn) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	if st := c.stmt(ctx, query); st != nil {
		return st.QueryRowContext(ctx, args...)
	}
	return c.c.QueryRowContext(ctx, query, args...)
}

// stmt returns the prepared statement, or nil when it cannot be had: the caller
// then runs the text, which reports what is wrong with it.
func (c *conn) stmt(ctx context.Context, query string) *sql.Stmt {
	if st, ok := c.stmts[query]; ok {
		return st
	}
	st, err := c.c.PrepareContext(ctx, query)
	if err != nil {
		return nil
	}
	if len(c.stmts) >= maxCachedStmts {
		c.forget()
	}
	if c.stmts == nil {
		c.stmts = map[string]*sql.Stmt{}
	}
	c.stmts[query] = st
	return st
}
