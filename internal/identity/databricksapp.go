package identity

import (
	"net/http"
	"strings"
	"unicode"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
)

// The headers by which Databricks Apps' proxy says who called (Databricks'
// documentation, "Access HTTP headers passed to Databricks apps"). The token is
// there only when the app has user authorization.
const (
	appEmail = "X-Forwarded-Email"
	appID    = "X-Forwarded-User"
	appToken = "X-Forwarded-Access-Token"
)

// apiToken is where an API token of ours travels to an app: Authorization is for
// Databricks' proxy there, and has its token.
const apiToken = "X-Thumbprint-Token"

// maxSubject is what MLflow and our tables take as the name of a person.
const maxSubject = 250

// appUser is whom Databricks Apps' proxy has signed in. It is named by e-mail
// address, as Databricks' own chat template names those who rate, and may chat
// and rate for themselves. An Authorization header that is no API token of ours
// was for the proxy, which has judged it.
func appUser(r *http.Request) (Caller, error) {
	subject, err := single(r.Header, appEmail)
	if err == nil && subject == "" {
		subject, err = single(r.Header, appID)
	}
	if err != nil {
		return Caller{}, err
	}
	if subject = strings.ToLower(subject); !isPerson(subject) {
		return Caller{}, errs.New(errs.Unauthenticated, "The request does not say who you are; open this app at its address in Databricks.")
	}
	token, err := single(r.Header, appToken)
	if err != nil {
		return Caller{}, err
	}
	return Caller{Subject: subject, Scopes: []Scope{ScopeChat, ScopeFeedback}, AccessToken: token}, nil
}

// single returns a header's value, "" without one. Two values are a proxy's and
// somebody else's, and nobody can tell which is which.
func single(h http.Header, name string) (string, error) {
	values := h.Values(name)
	if len(values) > 1 {
		return "", errs.New(errs.Unauthenticated, "There is more than one %s header.", name)
	}
	return strings.TrimSpace(h.Get(name)), nil
}

// isPerson keeps a person from the subjects that are ours to give.
func isPerson(subject string) bool {
	return subject != "" && len(subject) <= maxSubject && subject != Local().Subject && !strings.HasPrefix(subject, tokenSubject) &&
		!strings.ContainsFunc(subject, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) || r == unicode.ReplacementChar })
}
