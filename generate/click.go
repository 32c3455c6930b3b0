package generate

import "fmt"

// click is one page seen by a visitor.
type click struct {
	id       int64
	at       int64 // microseconds since 1970
	session  int64
	customer int64 // 0 for a visitor without an id
	page     string
	referrer string // or empty
	system   string
	mobile   bool
	shown    []int64 // products on the page, the first at the top
}

// clicksPerSession is how many clicks in a row share a visitor.
const clicksPerSession = 6

var (
	pages     = []string{"/", "/search?q=té", "/sale", "/basket", "/checkout", "/größen", "/特集"}
	referrers = []string{"https://search.example/", "https://news.example/été", "https://friends.example/"}
	systems   = []string{"Android", "iOS", "Windows", "Linux", "macOS"}
)

// click returns the i-th click, from 0. Clicks of one session share what a
// session's own random numbers say.
func (s *shop) click(i int64) click {
	session := i / clicksPerSession
	who := randomOf(s.seed, kindSession, session)
	c := click{id: i + 1, session: session + 1, system: pickOften(&who, systems)}
	c.mobile = c.system == "Android" || c.system == "iOS"
	if !who.chance(600) {
		c.customer = s.someCustomer(&who)
	}
	r := randomOf(s.seed, kindClick, i)
	c.at = s.calendar.at(i, s.clicks) - r.late(5, day)
	c.page = pickOften(&r, pages)
	if i%clicksPerSession == 0 && r.chance(700) {
		c.referrer = pickOften(&r, referrers)
	}
	if r.chance(650) {
		top := s.someProduct(&r)
		c.page = fmt.Sprintf("/p/%d", top)
		c.shown = append(c.shown, top)
		for range r.skewed(5, 1) {
			c.shown = append(c.shown, s.someProduct(&r))
		}
	}
	return c
}
