// What is known of one text, and how it came to be: a value with a history. Nothing here touches the page.
export function fresh(text = "", id = null, yes = []) {
  return { id, text, yes, no: [], searched: [], first: null, clicks: 0, began: Date.now(), past: [] };
}

function changed(state, change, click = 1) {
  const { yes, no, searched } = state;
  return { ...state, ...change, clicks: state.clicks + click, past: [...state.past, { yes, no, searched }] };
}

const without = (labels, label) => labels.filter((each) => each !== label);

export function answer(state, label, isTrue, bySearch = false) {
  const yes = without(state.yes, label);
  const no = without(state.no, label);
  const searched = bySearch ? [...without(state.searched, label), label] : state.searched;
  return changed(state, isTrue ? { yes: [...yes, label], no, searched } : { yes, no: [...no, label], searched });
}

export function takeBack(state, label) {
  return changed(state, { yes: without(state.yes, label), no: without(state.no, label), searched: without(state.searched, label) });
}

export function undo(state) {
  if (!state.past.length) return state;
  return { ...state, ...state.past.at(-1), past: state.past.slice(0, -1), clicks: state.clicks + 1 };
}

// What a request tells the model: all that is true, and of what is false as much as it reads beside that, the last first.
export function known(state, most) {
  const given = state.yes.slice(-most);
  const room = most - given.length;
  return { given, denied: room > 0 ? state.no.slice(-room) : [] };
}

// Places and probabilities before and after, of labels that are open in both: what rose, what fell, what is new.
export function movements(before, after) {
  const places = (list, other) => {
    const shared = new Set(other.map((each) => each.label));
    return new Map(list.filter((each) => shared.has(each.label)).map((each, place) => [each.label, place]));
  };
  const old = places(before, after);
  const now = places(after, before);
  const was = new Map(before.map((each) => [each.label, each.probability]));
  return new Map(
    after.map(({ label, probability }) => {
      if (!old.has(label)) return [label, { isNew: true, places: 0, by: 0 }];
      return [label, { isNew: false, places: old.get(label) - now.get(label), by: probability - was.get(label) }];
    }),
  );
}
