package sqldb

import (
	"encoding/base64"
	"fmt"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
)

// Cursor names the last row of a page of a list that is ordered by a time and
// an id. To its readers it is opaque.
func Cursor(at time.Time, id string) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d %s", Micros(at), id))
}

// ParseCursor is the reverse of Cursor, the time in microseconds. The error is
// errs.Invalid.
func ParseCursor(c string) (at int64, id string, err error) {
	b, err := base64.RawURLEncoding.DecodeString(c)
	if err == nil {
		_, err = fmt.Sscanf(string(b), "%d %s", &at, &id)
	}
	if err != nil {
		return 0, "", errs.Wrap(err, errs.Invalid, "The cursor is not one of ours; start again without it.")
	}
	return at, id, nil
}
