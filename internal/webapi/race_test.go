//go:build race

package webapi

// fastStreams is how many streams TestFastStreamsAreNeverCut asks for: under the
// race detector a stream takes many times as long.
const fastStreams = 500
