package oauth

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
)

// maxXMLDepth is far deeper than any login answer.
const maxXMLDepth = 32

// decodeXML makes a tree like JSON's of an XML document: an element with
// children is an object by their local names, one without is its text. Of equal
// siblings the first counts. Attributes are not read.
func (a *answer) decodeXML() error {
	dec := xml.NewDecoder(bytes.NewReader(a.body))
	for {
		tok, err := dec.Token()
		if err != nil {
			return errNotXML
		}
		start, ok := tok.(xml.StartElement)
		if !ok {
			continue
		}
		v, err := xmlElement(dec, 0)
		if err != nil {
			return errNotXML
		}
		a.tree = map[string]any{start.Name.Local: v}
		return nil
	}
}

var errNotXML = errors.New("the answer is not the XML that was expected")

// xmlElement reads up to the end of the element that was just entered.
func xmlElement(dec *xml.Decoder, depth int) (any, error) {
	if depth > maxXMLDepth {
		return nil, io.ErrUnexpectedEOF
	}
	children := map[string]any{}
	var chars strings.Builder
	for {
		tok, err := dec.Token()
		if err != nil {
			return nil, err
		}
		switch tok := tok.(type) {
		case xml.CharData:
			chars.Write(tok)
		case xml.StartElement:
			v, err := xmlElement(dec, depth+1)
			if err != nil {
				return nil, err
			}
			if _, twice := children[tok.Name.Local]; !twice {
				children[tok.Name.Local] = v
			}
		case xml.EndElement:
			if len(children) > 0 {
				return children, nil
			}
			return strings.TrimSpace(chars.String()), nil
		}
	}
}
