package sigv4

// CanonicalPath is for tests of paths that no request can have.
var CanonicalPath = canonicalPath

// PublicKey derives the key of 4A and returns its public point.
func PublicKey(k Keys) (x, y []byte, err error) {
	s, err := deriveECDSA(k)
	if err != nil {
		return nil, nil, err
	}
	b, err := s.key.PublicKey.Bytes()
	return b[1:33], b[33:], err
}
