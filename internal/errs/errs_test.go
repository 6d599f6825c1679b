package errs_test

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
)

func TestAKindIsSeenThroughWrapping(t *testing.T) {
	inner := errs.Wrap(io.ErrUnexpectedEOF, errs.Unavailable, "The %s is down.", "store").
		WithCode("down").WithHint("Wait %d s.", 5).WithRetryAfter(5 * time.Second)
	err := fmt.Errorf("put: %w", inner)
	if !errs.Is(err, errs.Unavailable) || errs.KindOf(err) != errs.Unavailable || errs.As(err) != inner {
		t.Errorf("the kind of %v is lost", err)
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the cause of %v is lost", err)
	}
	if got := inner.Error(); got != "The store is down.: unexpected EOF" {
		t.Errorf("for the log: %q", got)
	}
	if e := errs.As(err); e.Public != "The store is down." || e.Hint != "Wait 5 s." || e.Code != "down" || e.RetryAfter != 5*time.Second {
		t.Errorf("for the user: %+v", e)
	}
}

func TestWhatNobodyClassifiedIsOurs(t *testing.T) {
	if errs.KindOf(io.EOF) != errs.Internal || errs.As(io.EOF) != nil || errs.Is(nil, errs.Internal) {
		t.Error("an unclassified error is Internal, and no error is of no kind")
	}
}
