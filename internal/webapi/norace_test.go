//go:build !race

package webapi

// fastStreams is how many streams TestFastStreamsAreNeverCut asks for.
const fastStreams = 5000
