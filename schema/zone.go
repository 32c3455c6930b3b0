package schema

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
)

// CheckZones reports a time zone in t, however deep, that this machine does
// not know.
func CheckZones(t arrow.DataType) error {
	switch t := t.(type) {
	case *arrow.TimestampType:
		if _, err := t.GetZone(); err != nil {
			return fmt.Errorf("type %s: time zone %q is not known here", TypeText(t), t.TimeZone)
		}
	case arrow.NestedType:
		for _, f := range t.Fields() {
			if err := CheckZones(f.Type); err != nil {
				return err
			}
		}
	}
	return nil
}
