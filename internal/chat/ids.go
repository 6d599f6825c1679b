package chat

import (
	"crypto/rand"
	"encoding/hex"
)

// NewConversationID returns a fresh id: 128 random bits.
func NewConversationID() string { return newID("conv-") }

// NewMessageID returns a fresh id: 128 random bits.
func NewMessageID() string { return newID("msg-") }

func newID(prefix string) string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return prefix + hex.EncodeToString(b[:])
}
