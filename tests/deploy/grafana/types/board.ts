// What a board must be, by Grafana's own types; the tests append boards as constants.
import type {Dashboard} from '@grafana/schema/dist/types/veneer/dashboard.types';
import type {Options as BargaugeOptions} from '@grafana/schema/dist/types/raw/composable/bargauge/panelcfg/x/types.gen';
import type {Options as StatOptions} from '@grafana/schema/dist/types/raw/composable/stat/panelcfg/x/types.gen';
import type {Options as TableOptions} from '@grafana/schema/dist/types/raw/composable/table/panelcfg/x/types.gen';
import type {FieldConfig, Options as TimeseriesOptions}
  from '@grafana/schema/dist/types/raw/composable/timeseries/panelcfg/x/types.gen';

// JSON has plain strings where the types have enumerations, and leaves out what has a default.
type Plain<T> = T extends string ? `${T}`
  : T extends number | boolean | null | undefined ? T
  : T extends Array<infer Item> ? Plain<Item>[]
  : {[Key in keyof T]: Plain<T[Key]>};
type Some<T> = {[Key in keyof T]?: T[Key] extends unknown[] | undefined ? T[Key] : Some<T[Key]>};

// `expr` is what the Prometheus data source adds to an annotation.
type Board = Plain<Dashboard> & {annotations?: {list?: {expr?: string}[]}};
type Options = {
  bargauge: Plain<Some<BargaugeOptions>>;
  stat: Plain<Some<StatOptions>>;
  table: Plain<Some<TableOptions>>;
  timeseries: Plain<Some<TimeseriesOptions>>;
};
type Lines = Plain<Some<FieldConfig>>;
