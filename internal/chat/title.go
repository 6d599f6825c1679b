package chat

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
)

const (
	maxTitle   = 200  // characters of a title that a person wrote
	maxSubject = 60   // characters of one made here
	titleFrom  = 2000 // bytes of a text that are looked at for it
)

// SettleTitleTx returns the title of actor's conversation after its first exchange;
// empty when it has none, or is gone. A conversation that has none by then, because
// its question had no words, gets one from the answer; a title that is there stays,
// whoever gave it.
func (s *Store) SettleTitleTx(ctx context.Context, tx *sqldb.Tx, actor, id, answer string) (title string, err error) {
	err = tx.QueryRow(ctx, `SELECT title FROM conversations WHERE id = $1 AND actor = $2 `+tx.Dialect().ForUpdate, id, actor).Scan(&title)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	if err == nil && title == "" {
		if title = subjectOf(answer); title != "" {
			_, err = tx.Exec(ctx, `UPDATE conversations SET title = $3 WHERE id = $1 AND actor = $2`, id, actor, title)
		}
	}
	if err != nil {
		return "", fmt.Errorf("title conversation %s: %w", id, err)
	}
	return title, nil
}

// TitleOf returns the title that the first question among msgs with any words
// gives; empty when there is none.
func TitleOf(msgs []Message) string {
	for _, m := range msgs {
		if m.Role != RoleUser {
			continue
		}
		if subject := subjectOf(TextOf(m.Content)); subject != "" {
			return subject
		}
	}
	return ""
}

var (
	codeBlock = regexp.MustCompile("(?s)```.*?(?:```|$)")
	linkText  = regexp.MustCompile(`!?\[([^\]\n]*)\]\([^)\s]*\)`)
	address   = regexp.MustCompile(`https?://(?:www\.)?([^\s/?#]+)\S*`)
	lineMark  = regexp.MustCompile(`(?m)^[ \t]*(?:#{1,6}|>|[-*+]|\d{1,3}[.)])[ \t]+`)
	emphasis  = strings.NewReplacer("**", "", "__", "", "`", "")
	paragraph = regexp.MustCompile(`\n\s*\n`)

	// What stands before the matter in a question, in the languages of the page.
	opening = regexp.MustCompile(`(?i)^(?:` + strings.Join([]string{
		`(?:hi|hello|hey|good (?:morning|afternoon|evening)|hallo|moin|guten (?:morgen|tag|abend))(?: (?:there|all|everyone|zusammen))?\s*[,.!]+\s*`,
		`(?:please|bitte),?\s+`,
		`(?:can|could|would|will) you (?:please |kindly )?(?:tell me,? )?`,
		`i(?:'d|’d| would) like to (?:know|ask),? `,
		`i (?:want|need) to know,? `,
		`(?:kannst du|könntest du|können sie|könnten sie) (?:mir )?(?:bitte )?(?:mal )?(?:(?:sagen|erklären|zeigen),? )?`,
		`ich (?:möchte|würde gern|würde gerne) wissen,? `,
	}, `|`) + `)`)

	// Of these, what makes a question of any sentence.
	request = regexp.MustCompile(`(?i)^(?:can|could|would|will|kannst|könntest|können|könnten) `)
)

// subjectOf is what a text is about in a few words: its first question, else
// its first sentence, without markup, code and courtesies. Rules and no model,
// so that a title costs no call and nobody else reads the question for it.
func subjectOf(text string) string {
	text = strings.ToValidUTF8(text[:min(len(text), titleFrom)], "")
	words := replace(codeBlock, "`", text, "\n\n")
	if strings.TrimSpace(words) == "" {
		words = strings.ReplaceAll(text, "```", "") // nothing but code
	}
	words = replace(linkText, "]", words, "$1")
	words = replace(address, ":", words, "$1")
	words = emphasis.Replace(replace(lineMark, "#>-*+0123456789", words, ""))
	subject := withoutOpening(mainSentence(words))
	subject = strings.TrimRightFunc(subject, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(".,:;!", r) })
	return clipWords(upperFirst(subject), maxSubject)
}

// replace is ReplaceAllString for a text that can match only if it holds one of the
// marks: most do not, and looking for them is much quicker.
func replace(expr *regexp.Regexp, marks, text, with string) string {
	if !strings.ContainsAny(text, marks) {
		return text
	}
	return expr.ReplaceAllString(text, with)
}

// mainSentence is the first question of at least three words, else the first
// sentence of at least two, else the whole first paragraph.
func mainSentence(text string) string {
	var first, whole string
	for _, part := range paragraph.Split(text, -1) {
		part = oneLine(part)
		if whole == "" {
			whole = part
		}
		for s := ""; part != ""; {
			s, part = cutSentence(part)
			asks := strings.ContainsAny(s[len(s)-min(len(s), 3):], "?？")
			if !asks && first != "" {
				continue
			}
			n := len(strings.Fields(s))
			if asks && n >= 3 {
				return s
			}
			if first == "" && n >= 2 {
				first = s
			}
		}
	}
	if first == "" {
		return whole
	}
	return first
}

// cutSentence returns the first sentence of a line that is not empty, and what
// comes after it.
func cutSentence(line string) (sentence, rest string) {
	for i, r := range line {
		end := i + utf8.RuneLen(r)
		switch r {
		case '.', '!', '?', '…':
			if end < len(line) && line[end] != ' ' {
				continue // within a number, a name, or more of the same
			}
		case '。', '！', '？':
		default:
			continue
		}
		return line[:end], strings.TrimLeft(line[end:], " ")
	}
	return line, ""
}

// withoutOpening takes courtesies off, as long as something is left.
func withoutOpening(s string) string {
	for range 3 {
		rest := s[len(opening.FindString(s)):]
		if rest == s || len(strings.Fields(rest)) < 2 {
			break
		}
		if request.MatchString(s) {
			rest = strings.TrimRight(rest, "? ") // what is left asks nothing
		}
		s = rest
	}
	return s
}

func upperFirst(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 || !unicode.IsLower(r) {
		return s
	}
	return string(unicode.ToUpper(r)) + s[n:]
}

// clipWords shortens s to n characters, at the end of a word where there is one
// in the last third.
func clipWords(s string, n int) string {
	short := clip(s, n)
	if short == s {
		return s
	}
	short = strings.TrimSuffix(short, "…")
	if at := strings.LastIndexByte(short, ' '); at > len(short)*2/3 {
		short = short[:at]
	}
	return strings.TrimRight(short, " ,;:.-–") + "…"
}

// oneLine is s without line breaks and other control characters: PostgreSQL
// refuses a NUL, and a list of titles has no use for the rest.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
}

// clip shortens s to n characters, with an ellipsis as the last when it was longer.
func clip(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}
