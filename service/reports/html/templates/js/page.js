// The list of sections marks where the reader is; links into folded parts unfold them; tables are unfolded for print.
const links = new Map(all('nav a').map(link => [link.hash.slice(1), link]));
if ('IntersectionObserver' in window) {
  const watch = new IntersectionObserver(entries => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      for (const link of links.values()) link.removeAttribute('aria-current');
      links.get(entry.target.id)?.setAttribute('aria-current', 'true');
    }
  }, { rootMargin: '-20% 0px -70% 0px' });
  for (const section of all('main > section[id]')) watch.observe(section);
}
window.addEventListener('hashchange', () => {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  if (target) target.closest('details')?.setAttribute('open', '');
});
document.documentElement.classList.add('live');
