package main

// match reports whether s matches a pattern of Redis's: * and ? stand for any bytes and any byte,
// [abc], [^abc] and [a-c] for one of some, and \ takes the byte after it as it is.
func match(pattern, s string) bool {
	// Where to go on if what follows the last * does not match here: one byte further. An earlier
	// * need not be tried again, because the last one can take over whatever that one would.
	retry, from := -1, 0
	p, i := 0, 0
	for i < len(s) {
		if p < len(pattern) && pattern[p] == '*' {
			p++
			retry, from = p, i
			continue
		}
		if p < len(pattern) {
			if width, ok := matchByte(pattern[p:], s[i]); ok {
				p += width
				i++
				continue
			}
		}
		if retry < 0 {
			return false
		}
		from++
		p, i = retry, from
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// matchByte reports whether c is what the front of the pattern, which is so many bytes wide, stands for.
func matchByte(pattern string, c byte) (width int, ok bool) {
	switch pattern[0] {
	case '?':
		return 1, true
	case '[':
		return matchSet(pattern, c)
	case '\\':
		if len(pattern) > 1 {
			return 2, pattern[1] == c
		}
	}
	return 1, pattern[0] == c
}

// matchSet is matchByte for a set, which ends with the pattern if it is not closed.
func matchSet(pattern string, c byte) (width int, ok bool) {
	p := 1
	not := p < len(pattern) && pattern[p] == '^'
	if not {
		p++
	}
	for p < len(pattern) && pattern[p] != ']' {
		switch {
		case pattern[p] == '\\' && p+1 < len(pattern):
			ok = ok || pattern[p+1] == c
			p += 2
		case p+2 < len(pattern) && pattern[p+1] == '-':
			low, high := pattern[p], pattern[p+2]
			ok = ok || min(low, high) <= c && c <= max(low, high)
			p += 3
		default:
			ok = ok || pattern[p] == c
			p++
		}
	}
	return min(p+1, len(pattern)), ok != not
}
