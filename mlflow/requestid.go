package mlflow

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"time"
)

// NewClientRequestID returns a fresh client_request_id: a UUID of version 7 (RFC
// 9562), which begins with the time in milliseconds. FindByClientRequestID looks
// around that time first, where MLflow has an index.
func NewClientRequestID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24
	ms := uint64(time.Now().UnixMilli())
	binary.BigEndian.PutUint64(b[:8], ms<<16|uint64(b[6])<<8|uint64(b[7]))
	b[6] = b[6]&0x0f | 0x70 // version 7
	b[8] = b[8]&0x3f | 0x80 // the variant of RFC 9562
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// What lies between making an id and the start of its trace: clocks that differ,
// and a queue in front of the agent.
const (
	clockSkew = time.Minute
	startLag  = 10 * time.Minute
)

// idWindow narrows o to the time in the id, if o has no window and the id is a
// UUID of version 7.
func (o FindOptions) idWindow(crid string) FindOptions {
	if o.windowed() {
		return o
	}
	if at, ok := uuidTime(crid); ok {
		o.Since, o.Until = at.Add(-clockSkew), at.Add(startLag)
	}
	return o
}

// uuidTime returns the time in a UUID of version 7.
func uuidTime(id string) (at time.Time, ok bool) {
	if len(id) != 36 || id[8] != '-' || id[13] != '-' || id[14] != '7' || id[18] != '-' || id[23] != '-' {
		return time.Time{}, false
	}
	b, err := hex.DecodeString(strings.ReplaceAll(id, "-", ""))
	if err != nil || len(b) != 16 || b[8]&0xc0 != 0x80 {
		return time.Time{}, false
	}
	return time.UnixMilli(int64(binary.BigEndian.Uint64(b[:8]) >> 16)), true
}
