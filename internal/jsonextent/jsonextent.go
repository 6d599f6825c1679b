// Package jsonextent measures JSON without decoding it, so that what would take too
// much to decode is refused before.
package jsonextent

// Of returns how deep a JSON text is nested, and how many commas part the elements
// of its lists and objects. Of a text that is no JSON it counts what looks like it.
func Of[T ~string | ~[]byte](text T) (depth, commas int) {
	open, inString := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == ',':
			commas++
		case c == '{' || c == '[':
			open++
			depth = max(depth, open)
		case c == '}' || c == ']':
			open--
		}
	}
	return depth, commas
}
