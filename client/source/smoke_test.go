package source
import ("testing";"context";"path/filepath";"fmt")
func TestSmoke(t *testing.T) {
	files, _ := Expand([]string{testData(t,"formats/avro"), testData(t,"formats/events"), testData(t,"formats/parquet")})
	for _, f := range files {
		func(){
		s, err := Open(context.Background(), f, Options{})
		if err != nil { fmt.Println(filepath.Base(f), "OPEN", err); return }
		defer s.Close()
		b, err := drain(s)
		fmt.Println(filepath.Base(f), countRows(b), err)
		}()
	}
}
