package schema

import "encoding/json"

// fieldJSON is a field as it stands in the catalog, in segment footers and on
// the wire. It reaches disk: names may be added, never changed.
type fieldJSON struct {
	ID       int32  `json:"id"`
	Name     string `json:"name"`
	Type     string `json:"type"`
	Nullable bool   `json:"nullable"`
	Doc      string `json:"doc,omitempty"`
}

// MarshalJSON writes the type as its text (see TypeText).
func (f Field) MarshalJSON() ([]byte, error) {
	return json.Marshal(fieldJSON{f.ID, f.Name, TypeText(f.Type), f.Nullable, f.Doc})
}

// UnmarshalJSON reads what MarshalJSON wrote; a type text that does not parse
// is an error.
func (f *Field) UnmarshalJSON(b []byte) error {
	var j fieldJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	t, err := ParseType(j.Type)
	if err != nil {
		return err
	}
	*f = Field{j.ID, j.Name, t, j.Nullable, j.Doc}
	return nil
}
