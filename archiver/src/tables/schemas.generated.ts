// Generated from archiver/schemas by `npm run render:schemas`. Do not edit.
import type { SchemaSource } from "../avro/index.ts";

export const SCHEMAS: readonly SchemaSource[] = [
  {
    "table": "earthquakes",
    "version": 1,
    "schema": {
      "type": "record",
      "name": "Earthquake",
      "namespace": "strata.earthquakes",
      "doc": "One seismic event of the USGS feed. The dataset is the contributing network.",
      "fields": [
        {
          "name": "time",
          "type": {
            "type": "long",
            "logicalType": "timestamp-millis"
          },
          "doc": "When it happened."
        },
        {
          "name": "id",
          "type": "string",
          "doc": "Identifier of the event in the feed."
        },
        {
          "name": "magnitude",
          "type": [
            "null",
            "double"
          ],
          "default": null
        },
        {
          "name": "mag_type",
          "type": [
            "null",
            "string"
          ],
          "default": null,
          "doc": "Method that gave the magnitude."
        },
        {
          "name": "place",
          "type": [
            "null",
            "string"
          ],
          "default": null
        },
        {
          "name": "longitude",
          "type": "double",
          "doc": "Degrees east."
        },
        {
          "name": "latitude",
          "type": "double",
          "doc": "Degrees north."
        },
        {
          "name": "depth",
          "type": [
            "null",
            "double"
          ],
          "default": null,
          "doc": "Kilometres below the surface."
        },
        {
          "name": "network",
          "type": "string",
          "doc": "Network that contributed the event."
        },
        {
          "name": "status",
          "type": "string",
          "doc": "automatic or reviewed."
        },
        {
          "name": "tsunami",
          "type": "boolean",
          "doc": "Whether the event lies in an oceanic region with a tsunami notice."
        },
        {
          "name": "significance",
          "type": "int",
          "doc": "0 to 1000; larger is more significant."
        },
        {
          "name": "updated",
          "type": {
            "type": "long",
            "logicalType": "timestamp-millis"
          },
          "doc": "When the feed last changed the event."
        },
        {
          "name": "felt",
          "type": [
            "null",
            "int"
          ],
          "default": null,
          "doc": "Reports by people who felt it."
        },
        {
          "name": "stations",
          "type": [
            "null",
            "int"
          ],
          "default": null,
          "doc": "Stations that located it."
        },
        {
          "name": "gap",
          "type": [
            "null",
            "double"
          ],
          "default": null,
          "doc": "Largest azimuthal gap between stations, degrees."
        },
        {
          "name": "rms",
          "type": [
            "null",
            "double"
          ],
          "default": null,
          "doc": "Root-mean-square travel time residual, seconds."
        },
        {
          "name": "kind",
          "type": "string",
          "doc": "earthquake, quarry blast, explosion and so on."
        }
      ]
    }
  },
  {
    "table": "flights",
    "version": 1,
    "schema": {
      "type": "record",
      "name": "Flight",
      "namespace": "strata.flights",
      "doc": "One departure of a scheduled domestic flight. The dataset is the origin airport.",
      "fields": [
        {
          "name": "time",
          "type": {
            "type": "long",
            "logicalType": "timestamp-millis"
          },
          "doc": "Scheduled departure."
        },
        {
          "name": "delay",
          "type": "int",
          "doc": "Arrival delay in minutes; negative is early."
        },
        {
          "name": "distance",
          "type": "int",
          "doc": "Miles flown."
        },
        {
          "name": "origin",
          "type": "string",
          "doc": "IATA code of the departure airport."
        },
        {
          "name": "destination",
          "type": "string",
          "doc": "IATA code of the arrival airport."
        }
      ]
    }
  },
];
