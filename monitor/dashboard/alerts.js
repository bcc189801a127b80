// alerts.js - what a person should look at now, and what has been lately.
import { call } from "./api.js";
import { h } from "./dom.js";
import { time } from "./format.js";
import { badge, card, table } from "./parts.js";

export const alerts = {
  title: "Alerts",
  load: () => call("overview"),
  render({ status, alerts: rows }) {
    return [h("h1", {}, "Alerts"),
      card("Right now", status.warnings.length ? [h("ul", {}, status.warnings.map((w) => h("li", {}, w))), h("p", {}, h("b", {}, status.recommendation))]
        : h("p", {}, status.recommendation)),
      card("Kept", table("Alerts", [["Alert"], ["State"], ["About", "wide"], ["Since"], ["Fired"], ["Resolved"], ["What to do", "wide"]],
        rows.map((a) => ({ key: String(a.id), cells: [a.rule.replace(/_/g, " "), badge(a.state), [a.subject && h("b", {}, `${a.subject} `), a.message || `${a.value} (limit ${a.threshold})`],
          time(a.since), time(a.fired_at), time(a.resolved_at), a.advice || "–"] })), "No alert is open, and none ended within a day."))];
  },
};
