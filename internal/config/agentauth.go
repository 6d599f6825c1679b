package config

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
)

// The ways to authenticate to an agent.
const (
	AuthNone        = "none"
	AuthBearer      = "bearer"       // a token from the environment or a file
	AuthDatabricks  = "databricks"   // the workspace's credentials from the environment
	AuthForwardUser = "forward_user" // the calling person's own token
)

// appsDomain is where Databricks Apps live; they take OAuth only.
const appsDomain = ".databricksapps.com"

func (l *loader) agentAuth(path string, a *Agent) {
	a.Auth.Type = first(a.Auth.Type, AuthNone)
	if a.Auth.Type != AuthBearer && (a.Auth.TokenEnv != "" || a.Auth.TokenFile != "") {
		l.bad(path+".auth", "token_env and token_file need type: bearer")
		return
	}
	switch a.Auth.Type {
	case AuthNone:
	case AuthBearer:
		l.bearer(path+".auth", a)
	case AuthDatabricks:
		l.agentDatabricks(path+".auth", a)
	case AuthForwardUser:
		l.forwardUser(path+".auth.type", a)
	default:
		l.oneOf(path+".auth.type", a.Auth.Type, AuthNone, AuthBearer, AuthDatabricks, AuthForwardUser)
	}
}

func (l *loader) bearer(path string, a *Agent) {
	switch {
	case a.Auth.TokenEnv == "" && a.Auth.TokenFile == "":
		l.bad(path, "auth type bearer needs token_env, the name of the variable that holds the token, or token_file")
	case a.Auth.TokenEnv != "" && a.Auth.TokenFile != "":
		l.bad(path, "auth has both token_env and token_file; keep one")
	case a.Auth.TokenEnv != "":
		a.Auth.Token = l.secret(a.Auth.TokenEnv)
		l.token(path+".token_env", a.Auth.TokenEnv, string(a.Auth.Token), "is not set in the environment")
	default:
		l.tokenFile(path+".token_file", a)
	}
}

// tokenFile looks whether there is a token in the file. It is not kept: the file
// is read again for each call, since secrets that are mounted get replaced.
func (l *loader) tokenFile(path string, a *Agent) {
	if !filepath.IsAbs(a.Auth.TokenFile) {
		a.Auth.TokenFile = filepath.Join(l.DataDir, a.Auth.TokenFile)
	}
	text, err := l.readFile(a.Auth.TokenFile)
	if err != nil {
		l.bad(path, "cannot read the token: "+err.Error())
		return
	}
	l.token(path, a.Auth.TokenFile, strings.TrimSpace(string(text)), "is empty")
}

// token checks a token without repeating it.
func (l *loader) token(path, from, token, missing string) {
	if token == "" {
		l.bad(path, from+" "+missing)
	} else if !IsToken(token) {
		l.bad(path, from+" holds a space, a line end or another character that no token has")
	}
}

// IsToken reports whether s can stand in an Authorization header.
func IsToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// databricks takes the workspace's credentials from the environment.
func (l *loader) databricks() {
	d := &l.Databricks
	d.Host = strings.TrimRight(strings.TrimSpace(l.getenv("DATABRICKS_HOST")), "/")
	if d.Host != "" && !strings.Contains(d.Host, "://") {
		d.Host = "https://" + d.Host // people leave the scheme out
	}
	d.Token, d.ClientID, d.Secret = l.secret("DATABRICKS_TOKEN"), l.getenv("DATABRICKS_CLIENT_ID"), l.secret("DATABRICKS_CLIENT_SECRET")
}

// needDatabricks reports what is missing to speak to the workspace.
func (l *loader) needDatabricks(path, who string) bool {
	before := len(l.problems)
	l.needDatabricksHost(path, who)
	switch d := l.Databricks; {
	case d.Token == "" && !d.IsMachine():
		l.bad(path, who+" needs DATABRICKS_TOKEN, or DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET, in the environment")
	case d.Token != "":
		l.token(path, "DATABRICKS_TOKEN", string(d.Token), "is not set in the environment")
	}
	return len(l.problems) == before
}

func (l *loader) needDatabricksHost(path, who string) bool {
	u, err := url.Parse(l.Databricks.Host)
	switch {
	case l.Databricks.Host == "":
		l.bad(path, who+" needs DATABRICKS_HOST in the environment")
	case err != nil || u.Host == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || !isSafe(u):
		l.bad(path, who+" needs DATABRICKS_HOST to be the workspace's address, such as https://NAME.cloud.databricks.com")
	default:
		return true
	}
	return false
}

// agentDatabricks refuses to send the workspace's credentials anywhere but to
// the workspace and, where they are OAuth's, to an app.
func (l *loader) agentDatabricks(path string, a *Agent) {
	if !l.needDatabricks(path+".type", "auth type databricks") || !l.atDatabricks(path, a) {
		return
	}
	if a.IsApp() && !l.Databricks.IsMachine() {
		l.bad(path, "a Databricks App takes no personal access token; set DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET for agent "+a.ID)
	}
}

// forwardUser refuses to send a person's token anywhere but to the workspace
// that gave it, and where no person has one.
func (l *loader) forwardUser(path string, a *Agent) {
	if l.Auth.Mode != ModeDatabricksApp {
		l.bad(path, "auth type forward_user sends the caller's own token, and only auth.mode databricks_app is told one; use none, bearer or databricks")
		return
	}
	if l.needDatabricksHost(path, "auth type forward_user") && l.atDatabricks(path, a) && a.IsApp() {
		l.bad(path, fmt.Sprintf("auth type forward_user is for agents at DATABRICKS_HOST, and agent %s is an app: who runs that cannot be told from its address; use databricks", a.ID))
	}
}

// atDatabricks reports, and says, whether an agent is where a credential of the
// workspace's may travel.
func (l *loader) atDatabricks(path string, a *Agent) bool {
	agent, err := url.Parse(a.URL)
	host, err2 := url.Parse(l.Databricks.Host)
	switch {
	case err != nil || err2 != nil || agent.Host == "": // said elsewhere
	case !isSafe(agent):
		l.bad(path, fmt.Sprintf("auth type %s sends a credential, so the url of agent %s must be https://", a.Auth.Type, a.ID))
	case !a.IsApp() && !sameHost(agent, host):
		l.bad(path, fmt.Sprintf("auth type %s is for agents at DATABRICKS_HOST (%s) or under *%s, and agent %s is at %s", a.Auth.Type, host.Host, appsDomain, a.ID, agent.Host))
	default:
		return true
	}
	return false
}

// isSafe reports whether a credential may travel to u: encrypted, or never
// leaving this machine.
func isSafe(u *url.URL) bool {
	return u.Scheme == "https" || u.Scheme == "http" && IsLoopback(u.Hostname())
}

// IsApp reports whether the agent is a Databricks App.
func (a Agent) IsApp() bool {
	u, err := url.Parse(a.URL)
	return err == nil && strings.HasSuffix(strings.ToLower(u.Hostname()), appsDomain)
}
