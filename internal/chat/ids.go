package chat

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"time"
)

// NewConversationID returns a fresh id: the time and 128 random bits.
func NewConversationID() string { return newID("conv-") }

// NewMessageID returns a fresh id: the time and 128 random bits.
func NewMessageID() string { return newID("msg-") }

// newID begins with the time, so that the newest rows lie together in every index:
// a commit then writes few pages, however many conversations there are.
func newID(prefix string) string {
	var b [22]byte
	binary.BigEndian.PutUint64(b[:], uint64(time.Now().UnixMilli())<<16) //nolint:gosec // no time before 1970
	_, _ = rand.Read(b[6:])
	return prefix + hex.EncodeToString(b[:])
}
