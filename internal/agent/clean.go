package agent

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxClean is how many characters of another server's text a person is shown.
const maxClean = 500

// secret matches what looks like a credential in another server's message. An
// OpenAI endpoint, for one, quotes part of the key it refused.
var secret = regexp.MustCompile(`(?i)bearer\s+[^\s"',;]+` +
	`|\b(?:sk|pk|ghp|gho|glpat|xox[abp])[-_][A-Za-z0-9*._-]{6,}` +
	`|\bdapi[0-9a-f]{8,}\b` +
	`|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?`)

// named matches a credential by the name that stands before it, and userinfo
// in URLs.
var named = regexp.MustCompile(`(?i)((?:token|api[_-]?key|secret|password|authorization)["']?\s*[=:]\s*["']?)(?:(?:basic|digest|negotiate)\s+)?[^\s"'&,;]+` +
	`|(://)[^/\s@]+(@)`)

// Clean makes text from another server fit for a person's eyes: one line of at
// most 500 characters in valid UTF-8, without anything that looks like a
// credential and without the given ones.
func Clean(text string, credentials ...string) string {
	for _, c := range credentials {
		if c != "" {
			text = strings.ReplaceAll(text, c, "***")
		}
	}
	if len(text) > 4*utf8.UTFMax*maxClean {
		text = text[:4*utf8.UTFMax*maxClean] // the patterns need not see megabytes
	}
	text = strings.ToValidUTF8(text, "\uFFFD")
	text = strings.Join(strings.FieldsFunc(text, notPrinted), " ")
	text = secret.ReplaceAllString(text, "***")
	text = named.ReplaceAllString(text, "${1}${2}***${3}")
	if r := []rune(text); len(r) > maxClean {
		text = string(r[:maxClean-1]) + "…"
	}
	return text
}

// notPrinted reports what is white space, invisible or changes the direction of
// the text around it.
func notPrinted(r rune) bool {
	return unicode.IsSpace(r) || unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)
}
