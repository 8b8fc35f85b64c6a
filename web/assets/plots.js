// Draws the tables of figures as plots; without this script they are read as tables.
(() => {
  /** Colours that can be told apart on both grounds, also by those who see red and green alike. */
  const colours = ['#3b82c4', '#d98324', '#7a5cc2', '#2f9e77', '#b8485a'];
  const height = 220;
  /** Half of the time of a bar, in seconds. */
  const halfDay = 43_200;

  /** The names of months and days in the language of the page. */
  const namesOf = (count, part, length) =>
    Array.from({ length: count }, (_, at) => {
      // The first of October 2000 was a Sunday.
      const day = part === 'month' ? new Date(2000, at) : new Date(2000, 9, at + 1);
      return day.toLocaleDateString(document.documentElement.lang, { [part]: length });
    });
  const dateNames = {
    MMMM: namesOf(12, 'month', 'long'),
    MMM: namesOf(12, 'month', 'short'),
    WWWW: namesOf(7, 'weekday', 'long'),
    WWW: namesOf(7, 'weekday', 'short'),
  };

  /** The points of a table by their series: times in seconds and values, in order. */
  function seriesOf(figure) {
    const names = [];
    const points = [];
    for (const row of figure.querySelectorAll('tr[data-at]')) {
      const { at, value, series } = row.dataset;
      if (!names.includes(series)) names.push(series);
      points.push({ at: Number(at), value: Number(value), series: names.indexOf(series) });
    }
    const times = points.map(({ at }) => at);
    const values = names.map((_, series) =>
      points.map(({ value, series: own }) => (own === series && value > 0 ? value : null)),
    );
    return { names, data: [times, ...values] };
  }

  function draw(figure) {
    const { names, data } = seriesOf(figure);
    if (data[0].length === 0) return;
    const { plot: kind, unit, time } = figure.dataset;
    const style = getComputedStyle(figure);
    const axis = {
      stroke: style.color,
      grid: { stroke: style.borderTopColor, width: 1 },
      ticks: { stroke: style.borderTopColor, width: 1 },
      font: '12px system-ui, sans-serif',
    };
    const shapes = {
      bars: (colour) => ({
        fill: colour,
        paths: uPlot.paths.bars({ size: [0.7, 40] }),
        points: { show: false },
      }),
      points: (colour) => ({ paths: () => null, points: { show: true, size: 6, fill: colour } }),
    };
    const series = names.map((name, at) => {
      const colour = colours[at % colours.length];
      return { label: name === '' ? unit : name, stroke: colour, width: 1, ...shapes[kind](colour) };
    });
    const place = document.createElement('div');
    place.setAttribute('aria-hidden', 'true');
    figure.insertBefore(place, figure.querySelector('details'));
    const plot = new uPlot(
      {
        width: place.clientWidth,
        height,
        fmtDate: (template) => uPlot.fmtDate(template, dateNames),
        legend: { show: names.length > 1 },
        cursor: { drag: { x: false, y: false } },
        // Room for the halves of the first bar and of the last.
        scales: {
          ...(kind === 'bars' ? { x: { range: (_, least, most) => [least - halfDay, most + halfDay] } } : {}),
          y: { range: (_, least, most) => [0, Math.max(most, least) * 1.1 || 1] },
        },
        axes: [
          { ...axis },
          { ...axis, size: 70, values: (_, ticks) => ticks.map((tick) => `${tick} ${unit}`) },
        ],
        series: [{ label: time }, ...series],
      },
      data,
      place,
    );
    new ResizeObserver(() => {
      if (place.clientWidth !== plot.width) plot.setSize({ width: place.clientWidth, height });
    }).observe(place);
    // The colours are those of the page, which a browser may change at sunset.
    matchMedia('(prefers-color-scheme: dark)').addEventListener(
      'change',
      () => {
        plot.destroy();
        place.remove();
        draw(figure);
      },
      { once: true },
    );
  }

  const drawAll = () => document.querySelectorAll('figure[data-plot]').forEach(draw);
  document.addEventListener('replaced', drawAll);
  drawAll();
})();
