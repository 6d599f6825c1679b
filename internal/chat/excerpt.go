package chat

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"

	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
)

// How many characters an excerpt shows before and behind what was searched for.
const (
	excerptBefore = 30
	excerptBehind = 90
)

// excerpts fills in, for conversations that a search found, where it was found.
func (s *Store) excerpts(ctx context.Context, q Query, found []Conversation) error {
	if len(found) == 0 {
		return nil
	}
	at := make(map[string]*Conversation, len(found))
	args := []any{q.Actor, "%" + escapeLike(jsonText(q.Text)) + "%"}
	var places []string
	for i := range found {
		at[found[i].ID] = &found[i]
		args = append(args, found[i].ID)
		places = append(places, fmt.Sprintf("$%d", len(args)))
	}
	err := s.db.View(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		_, err := sqldb.Collect(ctx, tx, func(r *sql.Rows) (struct{}, error) {
			var id, content string
			err := r.Scan(&id, &content)
			if c := at[id]; c != nil && err == nil {
				c.Excerpt = excerptOf(TextOf(json.RawMessage(content)), q.Text)
			}
			return struct{}{}, err
		}, `SELECT m.conversation_id, m.content FROM messages m JOIN (
				SELECT conversation_id, MIN(seq) AS seq FROM messages
				WHERE actor = $1 AND content `+tx.Dialect().ILike+` $2 ESCAPE '!' AND conversation_id IN (`+strings.Join(places, ", ")+`)
				GROUP BY conversation_id) f ON f.conversation_id = m.conversation_id AND f.seq = m.seq`, args...)
		return err
	})
	if err != nil {
		return fmt.Errorf("find excerpts: %w", err)
	}
	return nil
}

// excerptOf is the surroundings of the first place of query in text, in any
// case; empty when it is not there.
func excerptOf(text, query string) string {
	line := []rune(oneLine(text))
	at := indexFold(line, []rune(oneLine(query)))
	if at < 0 {
		return ""
	}
	end := min(len(line), at+len([]rune(query)))
	from, to := max(0, at-excerptBefore), min(len(line), end+excerptBehind)
	// Whole words, where there are any.
	for from > 0 && from < at && !unicode.IsSpace(line[from-1]) {
		from++
	}
	for to > end && to < len(line) && !unicode.IsSpace(line[to]) {
		to--
	}
	excerpt := strings.TrimSpace(string(line[from:to]))
	if from > 0 {
		excerpt = "…" + excerpt
	}
	if to < len(line) {
		excerpt += "…"
	}
	return excerpt
}

// indexFold is where part begins in line, in any case, as characters; -1 when
// it is not there.
func indexFold(line, part []rune) int {
	lower := func(rs []rune) string { return strings.Map(unicode.ToLower, string(rs)) }
	at := strings.Index(lower(line), lower(part))
	if at < 0 || len(part) == 0 {
		return -1
	}
	return len([]rune(lower(line)[:at]))
}
