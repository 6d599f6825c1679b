package agent

import "github.com/thumbprint-ai/thumbprint/internal/jsonextent"

// maxDepth is how deep an agent's JSON may be nested; nothing we know of needs twenty.
// Go's decoder refuses ten thousand, and what checks JSON by recursion would take
// more stack than a process may have.
const maxDepth = 1000

// TooDeep reports whether JSON is nested too deep to be looked at. It is to be asked
// before anything else looks at what an agent sent. Of what is no JSON it may say
// either.
func TooDeep[T string | []byte](data T) bool {
	if len(data) <= maxDepth {
		return false
	}
	depth, _ := jsonextent.Of(data)
	return depth > maxDepth
}
