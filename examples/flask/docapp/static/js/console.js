// The console: a migration goes on by itself, batch after batch, until none is left or somebody stops it.

const form = document.querySelector("form[data-go-on]");
if (form) setTimeout(() => form.requestSubmit(), 400);
